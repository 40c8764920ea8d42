#!/usr/bin/env bash
# Marquee on one machine. Everything that it makes is below .marquee/ of this folder.
set -euo pipefail
unset CDPATH PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly project=$PWD
readonly state=$project/.marquee
readonly log=$state/log/setup.log
readonly wanted_mb=1500
python=

export PIP_CACHE_DIR=$state/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore PIP_USER=0
export UV_CACHE_DIR=$state/cache/uv UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1

# A company's own certificates are in the system's bundle, and only there.
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
  [[ ! -r $bundle ]] || export PIP_CERT=${PIP_CERT:-$bundle} UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
done

usage() {
  cat <<'END'
./setup.sh local         start Marquee on this machine, up to a first recommendation
           --foreground  stay in the terminal; Ctrl-C stops it
           --no-airflow  run the verbs of the DAGs directly
           --monitoring  Prometheus and Alertmanager too, which have to be installed:
                         sudo apt install prometheus prometheus-alertmanager
./setup.sh down          stop it
./setup.sh test          run the tests
           --full        those too that want a system package or take long
           --full PATH   only these, with what they print: --full tests/drills breaks platforms of its own
                         and sees the alerts fire and end
./setup.sh [cluster]     install it on Kubernetes, or bring it up to date: ./setup.sh cluster --help
./setup.sh cluster down  uninstall it; data stay
END
}

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

# find_python NEWEST: sets `python`, or returns 1
find_python() {
  local name check="import sys; (3, 11) <= sys.version_info[:2] <= (3, $1) and print(sys.executable)"
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    python=$("$name" -I -c "$check" 2>/dev/null) || continue
    [[ -n $python ]] && return
  done
  return 1
}

need_python() {
  find_python 99 || fail "Marquee wants Python 3.11 or newer; on Debian or Ubuntu: sudo apt install python3"
}

need_airflows_python() {
  local newest
  need_python
  newest=$("$python" -V)
  find_python 13 || fail "Airflow wants Python 3.11, 3.12 or 3.13, and only $newest is here:" \
    "install one of these too, or start without Airflow: ./setup.sh local --no-airflow"
}

prepare_state() {
  [[ $(uname -s) == Linux ]] || fail "Marquee runs on Linux; on another system use a virtual machine or a container."
  mkdir -p "$state/log" 2>/dev/null && [[ -O $state && -w $state/log ]] ||
    fail "$state belongs to another user: run this as that user, or delete it."
  : >"$log"
}

check_disk() {
  local free_mb
  free_mb=$(df -Pm "$state" | awk 'NR == 2 { print $4 }')
  ((free_mb >= wanted_mb)) || fail "$free_mb MB are free on the disk of $state: the environment needs $wanted_mb."
}

now_ms() {
  local now=${EPOCHREALTIME//[.,]/}
  echo "$((now / 1000))"
}

# step TITLE COMMAND...: its output goes to the log; what went wrong is told in one sentence
step() {
  local title=$1 began took
  shift
  printf '%s ... ' "$title"
  began=$(now_ms)
  if ! "$@" >>"$log" 2>&1; then
    echo failed
    explain
  fi
  took=$(($(now_ms) - began))
  printf '%d.%d s\n' $((took / 1000)) $((took % 1000 / 100))
}

explain() {
  local end
  end=$(tail -n 40 "$log")
  case $end in
    *"No space left"*) fail "The disk of $state is full (more in $log)." ;;
    *"No module named pip"* | *ensurepip*)
      fail "This Python has neither pip nor venv; on Debian or Ubuntu: sudo apt install python3-pip python3-venv" ;;
    *"No matching distribution"* | *resolution* | *resolve* | *"dns error"* | *"error sending request"* | *"new connection"* | *unreachable* | *"timed out"* | *roxy*)
      fail "The packages could not be downloaded: is this machine connected to the internet? (more in $log)" ;;
    *) fail "$(tail -n 1 "$log") (more in $log)" ;;
  esac
}

install_uv() {
  local pip=$python
  rm -rf "$state/tools" "$state/bootstrap"
  if ! "$pip" -m pip --version; then
    "$python" -m venv "$state/bootstrap" || return
    pip=$state/bootstrap/bin/python
  fi
  "$pip" -m pip install --quiet --target "$state/tools" --require-hashes -r requirements/uv.txt
}

make_environment() {
  local environment=$1 lock=$2
  "$uv" venv --quiet --python "$python" --clear "$environment" &&
    "$uv" pip install --quiet --python "$environment/bin/python" --require-hashes -r "$lock"
}

install_marquee() {
  # uv leaves a lock file in the temporary folder
  TMPDIR=$state/cache "$uv" pip install --quiet --python "$1/bin/python" --no-deps --no-build-isolation -e .
}

# runs_marquee ENVIRONMENT: its Python runs, and what it runs is this folder's code
runs_marquee() {
  "$1/bin/python" -I -c 'import sys, recommender.cli as c; sys.exit(not c.__file__.startswith(sys.argv[1]))' "$project/"
}

# holds PACKAGE ENVIRONMENT: nothing of ours is in it, and importing the package would take seconds
holds() {
  "$2/bin/python" -I -c "import sys; from importlib.util import find_spec; sys.exit(not find_spec('$1'))"
}

runs_airflow() { holds airflow "$1"; }
runs_checkov() { holds checkov "$1"; }

# need ENVIRONMENT LOCK: make it, unless it is there and made of the same
need() {
  need_python
  make_unless runs_marquee "environment" "$@" pyproject.toml
}

need_airflow() {
  need_airflows_python
  make_unless runs_airflow "environment of Airflow" env-airflow airflow
}

need_checkov() {
  need_python
  make_unless runs_checkov "environment of checkov" env-checkov checkov
}

# make_unless CHECK TITLE ENVIRONMENT LOCK [FILE]: FILE is what else it is made of
make_unless() {
  local check=$1 title=$2 environment=$state/$3 lock=requirements/$4.txt stamp
  local -r uv=$state/tools/bin/uv
  stamp=$("$python" -V; cat "$lock" requirements/uv.txt "${@:5}" | sha256sum)
  if [[ -e $environment ]]; then
    [[ $(cat "$environment/.stamp" 2>/dev/null) == "$stamp" ]] && "$check" "$environment" >>"$log" 2>&1 && return
    ! "$python" -I recommender/local/running.py "$state" --look ||
      fail "The environment in $environment is to be made anew, and Marquee runs: end it first with ./setup.sh down"
    echo "The environment in $environment is broken, or made of other versions: it is made anew."
  fi
  check_disk
  "$uv" --version >>"$log" 2>&1 || step "get uv" install_uv
  step "make the $title" make_environment "$environment" "$lock"
  [[ $check != runs_marquee ]] || step "install Marquee in it" install_marquee "$environment"
  echo "$stamp" >"$environment/.stamp"
}

start_local() {
  prepare_state
  [[ " $* " == *" --no-airflow "* ]] || need_airflow
  need env local
  exec "$state/env/bin/python" "$state/env/bin/marquee" local up "$@"
}

# Needs no environment: it may be the thing that is broken.
stop_local() {
  need_python
  "$python" -I recommender/local/running.py "$state"
}

check() {
  local tool=$1
  echo "== $*"
  shift
  "$state/env-test/bin/python" -m "$tool" "$@"
}

# By cores, since much of a test is waiting for processes: at least two, and no more than there are long files.
workers() {
  local cores
  cores=$(nproc)
  echo $((cores < 2 ? 2 : cores > 6 ? 6 : cores))
}

run_tests() {
  local full=
  if [[ ${1:-} == --full ]]; then
    full=yes
    shift
  fi
  prepare_state
  need env-test test
  need_airflow
  need_checkov
  export XDG_CACHE_HOME=$state/cache HYPOTHESIS_STORAGE_DIRECTORY=$state/cache/hypothesis
  export RUFF_CACHE_DIR=$state/cache/ruff MYPY_CACHE_DIR=$state/cache/mypy
  unset PYTHONDONTWRITEBYTECODE # each worker, and each process of a test, would compile everything anew
  if (($#)); then
    check pytest ${full:+-m "" -rs} --capture=no "$@"
    return
  fi
  check ruff check .
  check ruff format --check .
  check mypy
  check pytest --numprocesses "$(workers)" --max-worker-restart 0 --dist loadfile --no-loadscope-reorder
  [[ -z $full ]] || check pytest -m full -rs # these measure and break things: one after another
}

on_cluster() {
  # shellcheck source=k8s/cluster.sh
  source k8s/cluster.sh
  cluster "$@"
}

case ${1:-cluster} in
  local) start_local "${@:2}" ;;
  test) run_tests "${@:2}" ;;
  down) stop_local ;;
  cluster) on_cluster "${@:2}" ;;
  help | -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
