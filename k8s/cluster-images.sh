# The images: built when what goes into them changed, and brought to where the nodes find them.
# shellcheck shell=bash disable=SC2154 # variables of setup.sh and cluster.sh

readonly ingredients=(
  Dockerfile .dockerignore images requirements/{build,marquee,airflow}.txt
  pyproject.toml README.md LICENSE api recommender simulator migrations dags
)
# A hash of its own, and no version: whatever changes this tag restarts the database.
readonly postgres_ingredients=(Dockerfile .dockerignore images requirements/postgres.txt)
engine='' way=''

find_engine() {
  for engine in podman docker buildah; do
    command -v "$engine" >/dev/null && return
  done
  return 1
}

# choose_tags: an unchanged tree has unchanged tags
choose_tags() {
  local version
  version=$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' charts/marquee/Chart.yaml)
  tag=$version-$(hash_of "${ingredients[@]}") || exit
  postgres_tag=$(hash_of "${postgres_ingredients[@]}") || exit
}

# hash_of INGREDIENT...: of all that goes into an image
hash_of() {
  local files hash
  files=$(find -L "$@" -type f ! -name '*.pyc' -exec sha256sum {} + 2>>"$log") ||
    fail "This folder is not whole: $(tail -n 1 "$log")"
  hash=$({ LC_ALL=C sort <<<"$files" && echo "$base"; } | sha256sum)
  echo "${hash:0:12}"
}

# The images must reach the nodes. What was not asked for is found out: one node, this machine, k3s.
check_images_way() {
  local nodes
  if $images_ready; then
    way=ready
  elif [[ -n $registry ]]; then
    way=registry
  else
    nodes=$(ask get nodes -o 'jsonpath={range .items[*]}{.status.nodeInfo.kubeletVersion}{"\n"}{end}')
    if command -v k3s >/dev/null && [[ $nodes == *+k3s* && $nodes != *$'\n'* ]]; then
      way=k3s
    else
      missing+=("a way for the images to the nodes, which are not one k3s on this machine: --registry HOST/PATH, or --images-ready")
    fi
  fi
}

# The layers of a build, the image, and its copy in k3s; nothing when it is built.
check_images_space() {
  local folder=/var/lib
  [[ $way != ready ]] || return 0
  ((EUID == 0)) || [[ $engine == docker ]] || folder=~
  built "$(image marquee)" || need_space "$folder" 10 "the images"
}

# repository NAME, tag_of NAME, image NAME: as Kubernetes knows it
repository() { echo "${registry:-localhost}/$1"; }

tag_of() {
  case $1 in
    marquee-postgres) echo "$postgres_tag" ;;
    *) echo "$tag" ;;
  esac
}

image() { echo "$(repository "$1"):$(tag_of "$1")"; }

make_images() {
  local name names=(marquee)
  $only_marquee || names+=(marquee-airflow)
  ! $own_postgres || names+=(marquee-postgres)
  [[ ${way:=k3s} != ready ]] || return 0
  for name in "${names[@]}"; do
    arrived "$(image "$name")" || make_image "$name" "$(image "$name")"
  done
}

# arrived IMAGE: it is where the nodes take it from
arrived() {
  $reachable || return 1
  case $way in
    k3s) "${as_root[@]}" k3s ctr images ls -q 2>>"$log" | grep -Fx "$1" >/dev/null ;; # not -q: k3s would fail
    registry) in_registry "$1" ;;
  esac
}

in_registry() {
  case $engine in
    buildah) buildah manifest inspect "docker://$1" ;;
    *) "$engine" manifest inspect "$1" ;;
  esac >>"$log" 2>&1
}

built() {
  case $engine in
    buildah) buildah inspect --type image "$1" ;;
    *) "$engine" image inspect "$1" ;;
  esac >>"$log" 2>&1
}

make_image() {
  local target=marquee
  [[ $1 == marquee ]] || target=${1#marquee-}
  built "$2" || build_image "$target" "$2"
  if [[ $way == registry ]]; then
    change "push $2" "$engine" push "$2"
  else
    import_image "$2"
  fi
}

# build_image TARGET IMAGE
build_image() {
  local arguments=(--target "$1" --build-arg "VERSION=${2##*:}" -t "$2") config
  [[ -z $base ]] || arguments+=(--build-arg "BASE=$base")
  [[ -z ${PIP_CERT-} ]] || arguments+=(--secret "id=certificates,src=$PIP_CERT")
  for config in "${PIP_CONFIG_FILE-}" ~/.config/pip/pip.conf ~/.pip/pip.conf /etc/pip.conf; do
    [[ -s $config ]] || continue
    arguments+=(--secret "id=pip,src=$config")
    break
  done
  change "build $2 (minutes, the first time)" env DOCKER_BUILDKIT=1 "$engine" build "${arguments[@]}" .
}

import_image() {
  local file=$state/cluster/image.tar
  $dry_run || { mkdir -p "$state/cluster" && rm -f "$file"; }
  case $engine in
    buildah) change "take $1 out of buildah" buildah push "$1" "docker-archive:$file:$1" ;;
    *) change "take $1 out of $engine" "$engine" save -o "$file" "$1" ;;
  esac
  change "import it into k3s" "${as_root[@]}" k3s ctr images import "$file"
  change "delete the copy" rm -f "$file"
}
