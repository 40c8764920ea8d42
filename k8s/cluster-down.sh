# Uninstalling. Data, secrets and images stay, unless --purge; what is not ours stays in any case.
# shellcheck shell=bash disable=SC2154 # variables of setup.sh and cluster.sh

take_down() {
  local name mine=()
  images_ready=true # nothing is built
  check_tools
  choose_context
  reach_cluster || true
  tell_missing
  for name in airflow marquee monitoring; do
    if is_theirs "$name"; then
      echo "release $name in namespace $name was not made by setup.sh: it stays, and so does all that it has."
    else
      mine+=("$name")
    fi
  done
  ! $purge || agree_to_purge
  for name in "${mine[@]}"; do uninstall "$name"; done
  if $purge; then
    for name in "${mine[@]}"; do purge_namespace "$name"; done
    echo "Custom resource definitions of Prometheus stay, since others may use them. To delete them, and all that is made of them:"
    echo "  kubectl --context $context get crd -o name | grep monitoring.coreos.com | xargs kubectl --context $context delete"
  else
    echo "Data, secrets and images stay: ./setup.sh cluster goes on with them, ./setup.sh cluster down --purge deletes them."
  fi
}

uninstall() {
  if [[ -z $(revisions "$1") ]]; then
    echo "release $1 is not installed."
  else
    release_step "uninstall release $1" "$1" helm --kube-context "$context" \
      uninstall "$1" --namespace "$1" --wait --timeout "$timeout" || release_failed "$1"
  fi
}

# labels_of NAMESPACE: selectors of the volumes and secrets that a release leaves there
labels_of() {
  echo "$ours"
  case $1 in
    marquee) echo app.kubernetes.io/instance=marquee ;;
    airflow) echo release=airflow ;;
    monitoring)
      echo app.kubernetes.io/instance=monitoring
      echo operator.prometheus.io/name
      ;;
  esac
}

# left NAMESPACE KIND: objects of the kind that are ours
left() {
  local selector
  labels_of "$1" | while read -r selector; do
    ask get "$2" -n "$1" -l "$selector" -o name
  done | sort -u
}

made_by_us() {
  [[ $(ask get namespace "$1" --ignore-not-found -o 'jsonpath={.metadata.labels.marquee\.io/made-by}') == "${ours#*=}" ]]
}

agree_to_purge() {
  local name answer
  echo "To be deleted in context $context, for good:"
  for name in "${mine[@]}"; do
    { left "$name" persistentvolumeclaim && left "$name" secret; } | sed "s/^/  $name: /"
    ! made_by_us "$name" || echo "  $name: the namespace, if nothing else is in it"
  done
  ! $yes && ! $dry_run || return 0
  [[ -t 0 ]] || fail "Nothing was changed. To delete that without a question: --yes"
  read -rp "Type the name of the context to delete that: " answer
  [[ $answer == "$context" ]] || fail "Nothing was changed."
}

purge_namespace() {
  local name=$1 kind objects foreign
  there namespace "$name" || return 0
  # Helm leaves the pod of its test; a step of a DAG would hold its volumes.
  [[ $name != marquee ]] || change "end steps of DAGs" kubectl --context "$context" delete pod -n marquee \
    -l app.kubernetes.io/instance=marquee
  for kind in persistentvolumeclaim secret; do
    mapfile -t objects < <(left "$name" "$kind")
    ((!${#objects[@]})) || change "delete each $kind of $name" kubectl --context "$context" delete -n "$name" "${objects[@]}"
  done
  made_by_us "$name" || return 0
  foreign=$($dry_run || foreign_in "$name") || exit
  if [[ -n $foreign ]]; then
    echo "namespace $name stays: it has $foreign"
  else
    change "delete namespace $name" kubectl --context "$context" delete namespace "$name" --timeout=5m
  fi
}

# foreign_in NAMESPACE: what is there on its own and is not every namespace's
foreign_in() {
  local all
  all=$(ask get -n "$1" -o go-template='{{range .items}}{{if not (or .metadata.ownerReferences .metadata.deletionTimestamp)}}{{.kind}}/{{.metadata.name}}{{"\n"}}{{end}}{{end}}' \
    deployments,statefulsets,daemonsets,cronjobs,jobs,pods,services,ingresses,persistentvolumeclaims,configmaps,secrets,serviceaccounts,roles,rolebindings) || exit
  grep -vx -e ConfigMap/kube-root-ca.crt -e ServiceAccount/default -e '' <<<"$all" | paste -sd ' ' || true
}
