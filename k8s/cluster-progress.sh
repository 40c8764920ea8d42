# What Helm waits for, while it waits, and what was there when it gave up.
# shellcheck shell=bash disable=SC2154 # variables of setup.sh and cluster.sh

waited='' broken=''

# release_step TITLE NAMESPACE COMMAND...: a step of minutes, with a line whenever what it waits for in NAMESPACE changes
release_step() {
  local title=$1 namespace=$2 began=$SECONDS now failed=false
  shift 2
  waited='' broken=''
  show "$title" "$@" >>"$log"
  if $dry_run; then
    show "$title" "$@"
    return
  fi
  echo "$title ..."
  rm -f "$state/cluster.pipe" && mkfifo "$state/cluster.pipe"
  "$@" >>"$log" 2>&1 </dev/null 8>"$state/cluster.pipe" &
  running=$!
  exec 8<"$state/cluster.pipe"
  rm -f "$state/cluster.pipe"
  until ended; do
    now=$(waits_for "$namespace")
    [[ -z $now || $now == "$waited" ]] || printf '  %4d s  waits for %s\n' $((SECONDS - began)) "$now"
    waited=${now:-$waited}
    [[ $now != *Error\)* && $now != *BackOff\)* ]] || broken=$now # a rollback deletes the pod
  done
  wait "$running" || failed=true
  running=''
  ! $failed || return 1
  printf '  %4d s  done\n' $((SECONDS - began))
}

# ended: within five seconds nobody holds the other end of the pipe any more
ended() {
  local status=0
  read -r -t 5 -u 8 || status=$?
  ((status <= 128))
}

# waits_for NAMESPACE: its pods that are not ready, and a reason
waits_for() {
  local pods=() reason more=''
  [[ -n $1 ]] || return 0
  mapfile -t pods < <(unready "$1")
  ((${#pods[@]})) || return 0
  ((${#pods[@]} < 4)) || more=" and $((${#pods[@]} - 3)) more"
  reason=$(reason_of "$1" "${pods[@]}")
  echo "$(commas "${pods[@]:0:3}")$more${reason:+: ${reason:0:200}}"
}

# reason_of NAMESPACE POD...: the last words of one that failed, else the newest warning about one of them
reason_of() {
  local pod
  for pod in "${@:2}"; do
    [[ $pod == *Error\) || $pod == *CrashLoopBackOff\) ]] || continue
    look logs -n "$1" "${pod%% *}" --all-containers --tail=1 | tail -n 1
    return
  done
  # a pull that fails is told twice, the second time without the reason
  warnings "$1" | grep -Ev ' Error: (ErrImagePull|ImagePullBackOff)$' |
    grep -F "$(printf '%s\n' "${@:2}" | sed 's/ .*//')" | tail -n 1
}

unready() {
  look get pods -n "$1" --no-headers |
    awk '{ split($2, ready, "/") } $3 != "Completed" && ready[1] != ready[2] {
      print $1 " (" ($3 == "Running" ? "not ready" : $3) ")"
    }'
}

warnings() {
  look get events -n "$1" --field-selector type=Warning --sort-by=.lastTimestamp --no-headers \
    -o custom-columns=object:.involvedObject.name,message:.message | tr -s ' '
}

# release_failed NAME [REVISION]: REVISION served before
release_failed() {
  local name=$1 number=${2-} error waits=${broken:-$waited}
  error=$(grep '^Error: ' "$log" | tail -n 1) || error="Error: helm ended without a word"
  waits=${waits:-$(waits_for "$name")}
  remember "$name"
  if [[ -n $number && $name == airflow ]]; then
    clear_jobs
    release_step "roll $name back to revision $number" "$name" helm --kube-context "$context" \
      rollback "$name" "$number" --namespace "$name" --wait --timeout "$timeout" || error+=". The rollback failed too"
  fi
  fail "Release $name: ${error#Error: }.${waits:+ It waited for ${waits%.}.}" \
    "Events and logs of its pods are in $log. When that is mended, run this again: it goes on from here."
}

remember() {
  local pod
  {
    look get pods -n "$1" -o wide
    warnings "$1" | tail -n 20
    unready "$1" | head -n 5 | while read -r pod _; do
      look logs -n "$1" "$pod" --all-containers --prefix --tail=30
    done
  } >>"$log" 2>&1 || true
}

addresses() {
  local read="kubectl --context $context get secret -o go-template='{{.data.%s | base64decode}}{{\"\\\\n\"}}' -n %s %s"
  local forward="kubectl --context $context port-forward -n %s svc/%s %s"
  echo
  echo "Marquee is installed. Each line is a command; the addresses are there while it runs."
  # shellcheck disable=SC2059 # the formats are the two above
  {
    printf "  http://localhost:8000/    $forward\n" marquee marquee-api 8000:80
    printf "    to register a client:   $read\n" REGISTRATION_KEY marquee marquee
    if ! $only_marquee; then
      printf "  http://localhost:8080/    $forward\n" airflow airflow-api-server 8080:8080
      printf "    password of admin:      $read\n" password airflow airflow-admin
      printf "  http://localhost:3000/    $forward\n" monitoring monitoring-grafana 3000:80
      printf "    password of admin:      ${read/.data.%s/index .data \"%s\"}\n" admin-password monitoring grafana-admin
    fi
  }
  echo "k8s/OPERATING.md: upgrades, backups, keys. Uninstall: ./setup.sh cluster down"
}
