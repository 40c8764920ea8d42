# What this machine and the cluster must have, told all at once.
# shellcheck shell=bash disable=SC2154 # variables of setup.sh and cluster.sh

readonly kubectl_minimum=1.32
missing=() version=''

get_ready() {
  check_tools
  if $install_k3s; then
    tell_missing
    get_k3s
  fi
  choose_context
  check_cluster
  tell_missing
  agree
}

tell_missing() {
  ((${#missing[@]})) || return 0
  echo "setup.sh: this is missing:" >&2
  printf '  * %s\n' "${missing[@]}" >&2
  exit 1
}

# at_least VERSION MINIMUM
at_least() { printf '%s\n%s\n' "$2" "$1" | sort -VC; }

# number TEXT: the first version in it
number() { [[ $1 =~ v([0-9]+(\.[0-9]+)+) ]] && echo "${BASH_REMATCH[1]}"; }

check_tools() {
  ((BASH_VERSINFO[0] >= 5)) || missing+=("bash 5 or newer; this is $BASH_VERSION")
  if ! $install_k3s; then
    check_tool kubectl "$kubectl_minimum" "https://kubernetes.io/docs/tasks/tools/" version --client
    check_tool helm "$HELM_MINIMUM" "https://helm.sh/docs/intro/install/ (Helm $HELM_VERSION is what we use)" version --short
  fi
  $images_ready || find_engine ||
    missing+=("docker, podman or buildah, to build the images; on Debian or Ubuntu: sudo apt install podman")
  ((EUID == 0)) || ! $install_k3s || command -v sudo >/dev/null ||
    missing+=("root: --install-k3s installs a system service; there is no sudo, so run this as root")
  ! $install_k3s || command -v curl >/dev/null || missing+=("curl, for --install-k3s: sudo apt install curl")
}

# check_tool NAME MINIMUM WHERE ARGUMENTS...
check_tool() {
  local name=$1 minimum=$2 where=$3 have
  shift 3
  if ! command -v "$name" >/dev/null; then
    missing+=("$name $minimum or newer: $where; or, on a machine of its own, ./setup.sh cluster --install-k3s")
  elif have=$(number "$("$name" "$@" 2>>"$log")") && ! at_least "$have" "$minimum"; then
    missing+=("$name $minimum or newer (this is $have): $where")
  fi
}

choose_context() {
  local server
  if command -v kubectl >/dev/null; then
    use_k3s_config
  elif ! $dry_run; then
    return 0
  fi
  if $install_k3s && ! command -v k3s >/dev/null; then
    context=default # with --dry-run only
  elif [[ -z $context ]]; then
    context=$(kubectl config current-context 2>>"$log") ||
      missing+=("a cluster: your kubeconfig has no current context (kubectl config use-context NAME, or --context NAME), and --install-k3s was not asked for")
  fi
  [[ -n $context ]] || return 0
  server=$(kubectl config view --minify --context "$context" -o 'jsonpath={.clusters[0].cluster.server}' 2>>"$log") || server=
  echo "cluster: context $context${server:+, $server}"
}

check_cluster() {
  reach_cluster || return 0
  check_version "$version"
  check_rights
  check_storage
  check_images_way
  check_images_space
}

# reach_cluster: it answers, with its version
reach_cluster() {
  [[ -n $context ]] && command -v kubectl >/dev/null || return
  if version=$(kubectl --context "$context" get --raw /version --request-timeout=15s 2>>"$log"); then
    reachable=true
  else
    $dry_run && $install_k3s || missing+=("an answer from the cluster of context $context: $(tail -n 1 "$log")")
    return 1
  fi
}

check_version() {
  local have
  have=$(number "$1") || have=0
  at_least "$have" "$KUBERNETES_MINIMUM" || missing+=("Kubernetes $KUBERNETES_MINIMUM or newer; the cluster is $have")
}

check_rights() {
  local right no=() policy=()
  ! wants_policy || policy=("create validatingadmissionpolicies.admissionregistration.k8s.io"
    "create validatingadmissionpolicybindings.admissionregistration.k8s.io")
  ! look auth can-i '*' '*' --all-namespaces >/dev/null || return 0
  for right in "create namespaces" "create clusterroles.rbac.authorization.k8s.io" \
    "create customresourcedefinitions.apiextensions.k8s.io" "create secrets -n marquee" \
    "create deployments.apps -n marquee" "create roles.rbac.authorization.k8s.io -n marquee" \
    "create persistentvolumeclaims -n marquee" "create pods --subresource=exec -n airflow" "${policy[@]}"; do
    # shellcheck disable=SC2086 # the words are arguments
    look auth can-i $right >/dev/null || no+=("$right")
  done
  ((!${#no[@]})) || missing+=("rights in the cluster, from its administrator: $(commas "${no[@]}")")
}

# wants_policy: the values have an admission policy made, which is an object of the whole cluster
wants_policy() {
  ! $only_marquee &&
    [[ $(grep -hso 'admissionPolicy: *[a-z]*' "$project"/k8s/{marquee,own/marquee}.yaml | tail -n 1) == *true ]]
}

commas() {
  local text
  text=$(printf ', %s' "$@")
  echo "${text:2}"
}

check_storage() {
  local marks
  ! grep -qs storageClass "$project"/k8s/own/*.yaml || return 0
  marks=$(ask get storageclass -o \
    'jsonpath={range .items[*]}{.metadata.annotations.storageclass\.kubernetes\.io/is-default-class}{"\n"}{end}')
  [[ $marks == *true* ]] || missing+=("a default StorageClass (kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true), or storage classes in k8s/own/*.yaml")
}

# need_space FOLDER GIGABYTES WHAT
need_space() {
  local folder=$1 free
  until [[ -d $folder ]]; do folder=$(dirname "$folder"); done
  free=$(df -Pm "$folder" | awk 'NR == 2 { print int($4 / 1024) }')
  ((free >= $2)) || missing+=("$2 GB free on the disk of $1, for $3; $free are")
}

# A person who types ./setup.sh may have any company's cluster as the current context.
agree() {
  local answer
  ! $dry_run && [[ -t 0 && -t 1 ]] && ! $install_k3s && ! $named || return 0
  [[ -z $(revisions marquee) ]] || return 0
  read -rp "Install Marquee there? [y/N] " answer
  [[ $answer == [yY]* ]] || fail "Nothing was changed. Another cluster: --context NAME"
}
