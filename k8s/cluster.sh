# Marquee on Kubernetes, for setup.sh, which reads this file and calls `cluster`.
# shellcheck shell=bash disable=SC2154 # project, state, log: setup.sh's

readonly ours=marquee.io/made-by=setup.sh
releases=(monitoring marquee airflow) # each in the namespace of its name
context='' registry='' charts='' base='' tag='' postgres_tag='' timeout=20m
images_ready=false own_postgres=false install_k3s=false only_marquee=false
dry_run=false purge=false yes=false
reachable=false running='' named=false
as_root=()
((EUID == 0)) || as_root=(sudo)

# shellcheck source=k8s/cluster-tools.sh
source k8s/cluster-tools.sh
# shellcheck source=k8s/cluster-k3s.sh
source k8s/cluster-k3s.sh
# shellcheck source=k8s/cluster-images.sh
source k8s/cluster-images.sh
# shellcheck source=k8s/cluster-releases.sh
source k8s/cluster-releases.sh
# shellcheck source=k8s/cluster-progress.sh
source k8s/cluster-progress.sh
# shellcheck source=k8s/cluster-down.sh
source k8s/cluster-down.sh
# shellcheck source=k8s/versions.env
source k8s/versions.env

cluster_usage() {
  cat <<'END_OF_USAGE'
./setup.sh cluster       install Marquee, Airflow and Prometheus on Kubernetes, or bring them up to date
           --install-k3s         install the pinned k3s and Helm on this machine first (as root or with sudo)
           --context NAME        the cluster, by its name in your kubeconfig; else the current one
           --registry HOST/PATH  push the images there; without it they go into this machine's k3s
           --images-ready        push and import nothing: the nodes have the images, or can pull them
           --tag TAG             with --images-ready: the tag of those images; else a hash of this folder
           --own-postgres        build the image of Postgres too, for a cluster that cannot reach a registry
           --postgres-tag TAG    with --tag: its tag, if it is another; Postgres restarts when it changes
           --base IMAGE          what the images are built on, instead of the one in the Dockerfile
           --charts FOLDER       take the charts of Airflow and Prometheus from files there
           --only-marquee        without Airflow and Prometheus
           --timeout 30m         how long to wait for each of the three (20m)
           --dry-run             print every command that would change something, and change nothing
./setup.sh cluster down  uninstall the three; data, secrets and images stay
           --purge               delete data, secrets and namespaces too, after a question
           --yes                 no question
           --context NAME, --timeout 30m, --dry-run  as above
Values of your own go into k8s/own/RELEASE.yaml (monitoring, marquee or airflow): they win over k8s/RELEASE.yaml.
END_OF_USAGE
}

wrong() {
  echo "setup.sh: $*" >&2
  cluster_usage >&2
  exit 2
}

# value FLAG VALUE...: the flag's value
value() {
  [[ -n ${2-} && $2 != -* ]] || wrong "$1 wants a value."
  printf '%s' "$2"
}

read_options() {
  local verb=$1 taken
  shift
  while (($#)); do
    taken=1
    case $verb$1 in
      up--install-k3s) install_k3s=true ;;
      up--images-ready) images_ready=true ;;
      up--own-postgres) own_postgres=true ;;
      up--only-marquee) only_marquee=true releases=(marquee) ;;
      up--registry) registry=$(value "$@") taken=2 ;;
      up--tag) tag=$(value "$@") taken=2 ;;
      up--postgres-tag) postgres_tag=$(value "$@") taken=2 ;;
      up--base) base=$(value "$@") taken=2 ;;
      up--charts) charts=$(value "$@") taken=2 ;;
      down--purge) purge=true ;;
      down--yes) yes=true ;;
      *--context) context=$(value "$@") named=true taken=2 ;;
      *--timeout) timeout=$(value "$@") taken=2 ;;
      *--dry-run) dry_run=true ;;
      *--help | *-h) cluster_usage && exit ;;
      *) wrong "$1 is not known." ;;
    esac
    shift "$taken"
  done
  check_options
}

check_options() {
  [[ $timeout =~ ^[1-9][0-9]*m$ ]] || wrong "--timeout is a number of minutes, like 20m, not $timeout."
  [[ -z $registry || $registry == */* ]] || wrong "--registry is HOST/PATH, like registry.example.com/movies, not $registry."
  ! $install_k3s || [[ -z $context ]] || wrong "--install-k3s makes its own context: leave --context away."
  [[ -z $tag ]] || $images_ready || wrong "--tag goes with --images-ready."
  [[ -z $postgres_tag || -n $tag ]] || wrong "--postgres-tag goes with --tag."
  ! $yes || $purge || wrong "--yes answers the question of --purge, which is not here."
}

# Two at once would build the same image and meet in Helm; the lock ends with the process that holds it.
lock() {
  mkdir -p "$state" || exit
  exec 9>"$state/cluster.lock"
  flock -n 9 || fail "Another ./setup.sh cluster works on this machine: wait for it to end."
}

# Helm marks what it was doing as failed when it is asked to end, and can go on from there.
interrupted() {
  trap '' INT TERM
  if [[ -n $running ]]; then
    echo
    echo "Helm is asked to end ..."
    kill -TERM "$running" 2>/dev/null || true
    wait "$running" || true
  fi
  echo "setup.sh: interrupted. The same command goes on from here." >&2
  exit 130
}

# change TITLE COMMAND...: a step; with --dry-run its command is only shown
change() {
  local title=$1
  shift
  if $dry_run; then
    show "$title" "$@"
  else
    show "$title" "$@" >>"$log"
    step "$title" unlocked "$@"
  fi
}

show() {
  echo "$1"
  printf '   '
  printf ' %q' "${@:2}"
  echo
}

# A builder may leave a process behind, which would keep the lock.
unlocked() { "$@" 9>&-; }

# look ARGUMENTS...: kubectl, for reading
look() {
  $reachable || return 0
  kubectl --context "$context" "$@" 2>>"$log"
}

# ask ARGUMENTS...: no answer is not a no
ask() { look "$@" || fail "kubectl $*: $(tail -n 1 "$log")"; }

# there ARGUMENTS...: `kubectl get` finds it
there() {
  local found
  found=$(ask get "$@" --ignore-not-found -o name) || exit
  [[ -n $found ]]
}

# What went wrong in a step, in one sentence; setup.sh calls it.
explain() {
  local last
  last=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1)
  case $(tail -n 40 "$log") in
    *"o space left"*) fail "A disk is full: $last (more in $log)" ;;
    *"nable to connect to the server"* | *"connection refused"* | *"cluster unreachable"*)
      fail "The cluster of context $context does not answer (more in $log). When it does, run this again." ;;
    *"did NOT match"* | *"no file was verified"*)
      fail "A download is not what was released: its checksum is wrong, and it was not installed. Run this again (more in $log)." ;;
    *orbidden*) fail "You may not do that in context $context: $last (more in $log)" ;;
    *"no such host"* | *"ould not resolve"* | *"i/o timeout"* | *"TLS handshake timeout"*)
      fail "Something could not be downloaded: $last (more in $log). When the network is back, run this again." ;;
    *) fail "$last (more in $log). When that is mended, run this again: it goes on from here." ;;
  esac
}

cluster() {
  local verb=up
  [[ ${1:-} != down ]] || { verb=down && shift; }
  read_options "$verb" "$@"
  lock
  prepare_state
  trap interrupted INT TERM
  unset HELM_DRIVER HELM_NAMESPACE HELM_KUBECONTEXT
  if [[ $verb == down ]]; then
    take_down
  else
    install_all
  fi
}

install_all() {
  [[ -n $tag ]] || choose_tags
  : "${postgres_tag:=$tag}"
  get_ready
  make_images
  make_namespaces
  $only_marquee || install_monitoring
  install_release marquee
  test_release
  $only_marquee || install_airflow
  $dry_run || addresses
}
