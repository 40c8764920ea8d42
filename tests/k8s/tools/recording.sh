# What the stand-ins share: a cluster is the folder $CLUSTER.
# shellcheck shell=bash
set -euo pipefail

printf -v call ' %q' "${0##*/}" "$@"
call=${call:1}
echo "$call" >>"$CLUSTER/calls"

# changing: this call changes something. With a file `first-fails` each such call fails when it is made first.
changing() {
  echo "$call" >>"$CLUSTER/changes"
  [[ -e $CLUSTER/first-fails ]] || return 0
  ! grep -Fqx "$call" "$CLUSTER/first-fails" || return 0
  echo "$call" >>"$CLUSTER/first-fails"
  trouble "the network went away"
}

trouble() {
  echo "Error: $*" >&2
  exit 1
}

# option NAME ARGUMENTS...: `value` is what follows NAME, or nothing
option() {
  local name=$1
  shift
  value=
  while (($#)); do
    [[ $1 != "$name" ]] || value=${2-}
    shift
  done
}

# object KIND NAMESPACE NAME: `file` is its own, which holds its labels
object() { file=$CLUSTER/objects/$2/$1/$3; }

# has KIND NAMESPACE NAME
has() { object "$@" && [[ -e $file ]]; }

make_object() {
  object "$@"
  mkdir -p "${file%/*}"
  [[ -e $file ]] || printf '%s\n' "${@:4}" >"$file"
}
