# k3s and Helm, of the versions in versions.env, checked against the checksums of their releases.
# shellcheck shell=bash disable=SC2154 # variables of setup.sh and cluster.sh

readonly k3s_config=/etc/rancher/k3s/k3s.yaml

get_k3s() {
  local arch downloads=$state/cluster
  arch=$(machine) || fail "k3s and Helm are fetched for x86_64 and aarch64; this is $(uname -m): install them by hand."
  mkdir -p "$downloads"
  command -v helm >/dev/null || get_helm "$arch" "$downloads"
  if command -v k3s >/dev/null; then
    echo "k3s is here already ($(k3s --version 2>>"$log" | head -n 1)): it is left as it is."
  else
    get_k3s_itself "$arch" "$downloads"
  fi
}

machine() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) return 1 ;;
  esac
}

# fetched TITLE ADDRESS FILE
fetched() { change "$1" curl -fsSL --retry 3 -o "$3" "$2"; }

# checked TITLE FOLDER SUMS: what of the file SUMS is in FOLDER, and that is something, has its checksum
checked() { change "$1" env -C "$2" sha256sum --check --ignore-missing "$3"; }

get_helm() {
  local file=helm-$HELM_VERSION-linux-$1.tar.gz
  fetched "download Helm $HELM_VERSION" "https://get.helm.sh/$file" "$2/$file"
  fetched "download its checksum" "https://get.helm.sh/$file.sha256sum" "$2/$file.sha256sum"
  checked "check it" "$2" "$file.sha256sum"
  change "unpack it" tar -xzf "$2/$file" -C "$2"
  change "install Helm (root)" "${as_root[@]}" install -m 755 "$2/linux-$1/helm" /usr/local/bin/helm
}

get_k3s_itself() {
  local name=k3s script release=https://github.com/k3s-io/k3s/releases/download/${K3S_VERSION/+/%2B}
  script=https://raw.githubusercontent.com/k3s-io/k3s/${K3S_VERSION/+/%2B}
  [[ $1 == amd64 ]] || name=k3s-$1
  need_space /var/lib/rancher 15 "k3s, images and volumes"
  tell_missing
  fetched "download k3s $K3S_VERSION" "$release/$name" "$2/$name"
  fetched "download its checksums" "$release/sha256sum-$1.txt" "$2/sha256sum-$1.txt"
  fetched "download its service" "$script/install.sh" "$2/install.sh"
  fetched "download the checksum of that" "$script/install.sh.sha256sum" "$2/install.sh.sha256sum"
  checked "check k3s" "$2" "sha256sum-$1.txt"
  checked "check its service" "$2" install.sh.sha256sum
  change "install k3s (root)" "${as_root[@]}" install -m 755 "$2/$name" /usr/local/bin/k3s
  change "start k3s (root)" "${as_root[@]}" env INSTALL_K3S_SKIP_DOWNLOAD=true sh "$2/install.sh"
  wait_for_k3s
}

wait_for_k3s() {
  use_k3s_config
  change "wait for its node" kubectl wait --for=create node --all --timeout=2m
  change "wait until it is ready" kubectl wait --for=condition=Ready node --all --timeout=3m
  change "wait for its storage" kubectl wait --for=create storageclass/local-path --timeout=2m
}

# k3s keeps its kubeconfig to root. A kubeconfig that somebody chose comes first, unless k3s was just asked for.
use_k3s_config() {
  local copy=$state/cluster/k3s.yaml
  $install_k3s || [[ -z ${KUBECONFIG-} && ! -e ~/.kube/config ]] || return 0
  command -v k3s >/dev/null && ! $named || return 0
  export KUBECONFIG=$k3s_config
  [[ ! -r $k3s_config && -e $k3s_config ]] || return 0
  mkdir -p "$state/cluster"
  (umask 077 && "${as_root[@]}" cat "$k3s_config" >"$copy") || fail "$k3s_config cannot be read: run this as root."
  export KUBECONFIG=$copy
}
