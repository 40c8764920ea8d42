# Namespaces, secrets and the three releases, in order.
# shellcheck shell=bash disable=SC2154 # variables of setup.sh and cluster.sh

readonly jobs_of_airflow=(airflow-run-airflow-migrations airflow-create-user)
readonly dags='^(inject-data|train-model)$'

# Pod Security labels count for all in a namespace, and a release can be taken over by its name.
check_owners() {
  local name all others
  for name in "${releases[@]}"; do
    ! is_theirs "$name" || fail "There is a release $name in namespace $name that setup.sh did not make, and it is left alone." \
      "To hand it over: kubectl --context $context -n $name label secret -l owner=helm,name=$name $ours"
    all=$(revisions "$name")
    [[ -z $all ]] || continue
    others=$(ask get deployments,statefulsets,daemonsets -n "$name" -o name | paste -sd ' ')
    [[ -z $others ]] || fail "Namespace $name holds others' work ($others): Marquee needs a namespace $name of its own."
  done
}

make_namespaces() {
  local name new=()
  check_owners
  for name in "${releases[@]}"; do
    there namespace "$name" || new+=("$name")
  done
  change "namespaces" kubectl --context "$context" apply -f k8s/namespaces.yaml \
    --selector "kubernetes.io/metadata.name in ($(commas "${releases[@]}"))"
  ((!${#new[@]})) || change "mark what is new as ours" kubectl --context "$context" label namespace "${new[@]}" "$ours"
}

# make_secret NAMESPACE NAME KEY=COMMAND...: once; a COMMAND prints the value of its KEY
make_secret() {
  local title="make Secret $1/$2" manifest
  ! there secret "$2" -n "$1" || return 0
  if $dry_run; then
    show "$title" kubectl --context "$context" create -f -
  else
    manifest=$(secret "$@") || exit
    printf '%s\n' "$manifest" | change "$title" kubectl --context "$context" create -f -
  fi
}

# Through a pipe: no argument, no file and no log ever holds a value.
secret() {
  local pair value data=()
  for pair in "${@:3}"; do
    value=$("${pair#*=}") || exit
    data+=("\"${pair%%=*}\": \"$value\"")
  done
  printf '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "%s", "namespace": "%s",' "$2" "$1"
  printf ' "labels": {"%s": "%s"}}, "stringData": {%s}}\n' "${ours%=*}" "${ours#*=}" "$(commas "${data[@]}")"
}

administrator() { printf admin; }
password() { head -c 24 /dev/urandom | base64 -w 0 | tr '+/' '-_'; }
key() { head -c 32 /dev/urandom | base64 -w 0 | tr '+/' '-_'; } # Fernet's form

connection() {
  local value
  value=$(ask get secret marquee -n marquee -o 'jsonpath={.data.AIRFLOW_PASSWORD}' | base64 -d)
  [[ -n $value ]] ||
    fail "Secret marquee in namespace marquee has no AIRFLOW_PASSWORD: k8s/README.md says how Airflow gets another database."
  printf 'postgresql://airflow:%s@marquee-postgres.marquee.svc:5432/airflow' "$(percent "$value")"
}

# percent TEXT: as it may stand in a URL
percent() {
  local i character
  local LC_ALL=C
  for ((i = 0; i < ${#1}; i++)); do
    character=${1:i:1}
    case $character in
      [A-Za-z0-9_.~-]) printf '%s' "$character" ;;
      *) printf '%%%02X' "'$character" ;;
    esac
  done
}

# revisions NAME: number, status, time and maker of each revision of a release, the newest last
revisions() {
  ask get secret -n "$1" -l "owner=helm,name=$1" -o 'jsonpath={range .items[*]}{.metadata.labels.version} {.metadata.labels.status} {.metadata.creationTimestamp} {.metadata.labels.marquee\.io/made-by}{"\n"}{end}' | sort -n
}

# is_theirs NAME: there is such a release, and no revision of it was made here
is_theirs() {
  local all
  all=$(revisions "$1") || exit
  [[ -n $all && $all != *" ${ours#*=}"* ]]
}

# deployed NAME: the number of the revision that serves, or nothing
deployed() { revisions "$1" | awk '$2 == "deployed" { number = $1 } END { print number }'; }

# settle NAME: nothing that Helm began is unfinished
settle() {
  local name=$1 all status since
  all=$(revisions "$name")
  [[ -n $all ]] || return 0
  read -r _ status since _ <<<"${all##*$'\n'}"
  [[ $status != pending-* && $status != uninstalling ]] || mend "$name" "$status" "$since"
}

# mend NAME STATUS TIME: Helm was killed in the middle, or is still at it, from here or elsewhere
mend() {
  local name=$1 number command until
  number=$(deployed "$name")
  command=(helm --kube-context "$context" uninstall "$name" --namespace "$name" --wait --timeout "$timeout")
  [[ -z $number ]] ||
    command=(helm --kube-context "$context" rollback "$name" "$number" --namespace "$name" --wait --timeout "$timeout")
  until=$(($(date -d "$3" +%s) + ${timeout%m} * 60))
  (($(date +%s) >= until)) ||
    fail "Helm works on release $name ($2 since $3), or was killed. Run this again after $(date -d "@$((until + 59))" +%H:%M)." \
      "If you know that nobody is at it: ${command[*]}"
  [[ $name != airflow ]] || clear_jobs
  release_step "mend release $name, which was left $2" "$name" "${command[@]}" || release_failed "$name"
}

# third_party CHART REPOSITORY VERSION
third_party() {
  if [[ -n $charts ]]; then
    arguments+=("$charts/$1-$3.tgz")
  else
    arguments+=("$1" --repo "$2" --version "$3")
  fi
}

# install_release NAME: Helm rolls back an upgrade that fails. A first install stays as it is, to be looked at and gone on from.
install_release() {
  local name=$1 number arguments=(upgrade --install "$1") file
  settle "$name"
  number=$(deployed "$name")
  case $name in
    monitoring) third_party kube-prometheus-stack "$MONITORING_CHART_REPO" "$MONITORING_CHART_VERSION" ;;
    airflow) third_party airflow "$AIRFLOW_CHART_REPO" "$AIRFLOW_CHART_VERSION" ;;
    marquee) arguments+=(charts/marquee) ;;
  esac
  arguments+=(--namespace "$name" --labels "$ours" --wait --wait-for-jobs --timeout "$timeout")
  for file in "k8s/$name.yaml" "k8s/own/$name.yaml"; do
    [[ ! -e $file ]] || arguments+=(--values "$file")
  done
  images_of "$name"
  [[ -z $number || $name == airflow ]] || arguments+=("$(rollback_flag)")
  release_step "release $name" "$name" helm --kube-context "$context" "${arguments[@]}" || release_failed "$name" "$number"
}

# images_of NAME: which images a release runs
images_of() {
  case $1 in
    marquee)
      set_image image marquee
      ! $own_postgres || set_image postgres.image marquee-postgres
      ! $only_marquee || arguments+=(--set airflow.enabled=false)
      ! $only_marquee || there crd servicemonitors.monitoring.coreos.com || arguments+=(--set monitoring.enabled=false)
      ;;
    airflow)
      set_image images.airflow marquee-airflow
      set_image images.pod_template marquee
      ;;
  esac
}

set_image() { arguments+=(--set "$1.repository=$(repository "$2")" --set-string "$1.tag=$(tag_of "$2")"); }

rollback_flag() {
  case $(helm version --short 2>>"$log") in
    v3.*) echo --atomic ;;
    *) echo --rollback-on-failure ;;
  esac
}

test_release() {
  release_step "ask Marquee for a recommendation (helm test)" '' \
    helm --kube-context "$context" test marquee --namespace marquee --timeout 5m || release_failed marquee
}

install_monitoring() {
  make_secret monitoring grafana-admin admin-user=administrator admin-password=password
  install_release monitoring
}

install_airflow() {
  make_secret airflow airflow-metadata connection=connection
  make_secret airflow airflow-keys fernet-key=key api-secret-key=key jwt-secret=key
  make_secret airflow airflow-admin password=password
  clear_jobs
  install_release airflow
  unpause
}

# The template of a Job cannot be changed, neither by an upgrade nor by a rollback.
clear_jobs() {
  local job here=()
  for job in "${jobs_of_airflow[@]}"; do
    ! there job "$job" -n airflow || here+=("$job")
  done
  ((!${#here[@]})) || change "delete Airflow's finished Jobs" kubectl --context "$context" delete job -n airflow "${here[@]}"
}

# Once: whoever pauses a DAG later wants it paused.
unpause() {
  local mark=marquee.io/dags-unpaused exec=(exec -n airflow deploy/airflow-api-server -c api-server -- airflow dags)
  [[ $(ask get namespace airflow -o 'jsonpath={.metadata.annotations.marquee\.io/dags-unpaused}') != true ]] || return 0
  $dry_run || step "wait until Airflow knows the DAGs" know_dags "${exec[@]}"
  change "unpause the DAGs" kubectl --context "$context" "${exec[@]}" unpause --yes --treat-dag-id-as-regex "$dags"
  change "remember that" kubectl --context "$context" annotate namespace airflow "$mark=true"
}

know_dags() {
  local list deadline=$((SECONDS + 300))
  while ((SECONDS < deadline)); do
    list=$(look "$@" list --output plain | awk '{ print $1 }' | grep -Ec "$dags")
    [[ $list != 2 ]] || return 0
    sleep 2
  done
  echo "Airflow does not know both DAGs after 5 minutes: kubectl logs -n airflow deploy/airflow-dag-processor"
  return 1
}
