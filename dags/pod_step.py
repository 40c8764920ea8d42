"""A step as a pod, by one who may create, get, list, watch and delete pods and read their logs: nothing else.

The operator that this is made of would exec into a sidecar for the record, mark pods with a label, and read
events; with fewer rights it would go on with a pod that failed as if it were a new one.
"""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import generic_api_retry
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.container import get_container_status
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException, V1Pod

KEPT = timedelta(days=7)
ENDED = {"Succeeded", "Failed"}
GONE_WITHIN_S = 120
LAST_LINES = 64  # as the node writes them: a line of 16 KiB or more is several


class PodStep(KubernetesPodOperator):
    def build_pod_request_obj(self, context: Any = None, *, dry_run: bool = False) -> V1Pod:
        pushes, self.do_xcom_push = self.do_xcom_push, False  # which would be the sidecar
        try:
            pod = super().build_pod_request_obj(context, dry_run=dry_run)
        finally:
            self.do_xcom_push = pushes
        pod.spec.enable_service_links = False
        return pod

    def extract_xcom(self, pod: V1Pod, **_: Any) -> Any:
        """The record that `marquee --record -` prints: the last line of the log that is JSON."""
        if _exit_code(pod, self.base_container_name) != 0:
            return None
        for line in reversed(self._last_lines(pod)):
            if line[:1] in ("{", "["):
                return json.loads(line)
        raise AirflowException(f"The log of pod {pod.metadata.name} does not end with a record.")

    def get_or_create_pod(self, pod_request_obj: V1Pod, context: Any) -> V1Pod:
        """One pod for a task: the one of an earlier try that still runs is waited for, not doubled."""
        self._forget_old_failures()
        if running := self._running(context):
            self.log.info("Pod %s of an earlier try still runs: it is waited for.", running.metadata.name)
            return running
        self.pod_manager.create_pod(pod=pod_request_obj)
        return pod_request_obj

    def process_pod_deletion(self, pod: V1Pod, *, reraise: bool = True) -> bool:
        """Kept is what failed, to be looked at. What Airflow gave up on must not go on unseen."""
        code = _exit_code(pod, self.base_container_name)
        failed = pod.status.phase == "Failed" if code is None else code != 0
        if failed and code not in self.skip_on_exit_code:
            self.log.info(
                "Pod %s is kept for %s days, or until this task is tried again.", pod.metadata.name, KEPT.days
            )
            return False
        try:
            self.pod_manager.delete_pod(pod)
        except ApiException as error:
            if reraise:
                raise
            self.log.warning("Pod %s could not be deleted: %s", pod.metadata.name, error.reason)
        return True

    def cleanup(self, pod: V1Pod, remote_pod: V1Pod, *more: Any, **how: Any) -> None:
        for sentence in _hindrances(remote_pod, self.base_container_name) if remote_pod else ():
            self.log.error("Pod %s: %s", remote_pod.metadata.name, sentence)
        super().cleanup(pod, remote_pod, *more, **how)

    def patch_already_checked(self, pod: V1Pod, *, reraise: bool = True) -> None:
        """No mark is needed: the next try deletes what has ended."""

    def _running(self, context: Any) -> V1Pod | None:
        """The pod of an earlier try. What has ended is deleted; what is being deleted is awaited."""
        mine = self._build_find_pod_label_selector(context, exclude_checked=False)
        deadline = time.monotonic() + GONE_WITHIN_S
        while pods := [pod for pod in self._list(mine) if not self._discarded(pod)]:
            *older, newest = sorted(pods, key=lambda pod: pod.metadata.creation_timestamp)
            for pod in older:
                self.pod_manager.delete_pod(pod)
            if not newest.metadata.deletion_timestamp:
                return newest
            if time.monotonic() > deadline:
                raise AirflowException(f"Pod {newest.metadata.name} of an earlier try does not end.")
            time.sleep(1)
        return None

    def _discarded(self, pod: V1Pod) -> bool:
        """Whether it has ended, and so is deleted."""
        ended = pod.status.phase in ENDED
        if ended and not pod.metadata.deletion_timestamp:
            self.pod_manager.delete_pod(pod)
        return bool(ended)

    def _forget_old_failures(self) -> None:
        kept_since = datetime.now(UTC) - KEPT
        ours = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        for pod in self._list(f"{ours},kubernetes_pod_operator=True", "status.phase=Failed"):
            if pod.metadata.creation_timestamp < kept_since:
                self.pod_manager.delete_pod(pod)

    @generic_api_retry
    def _list(self, labels: str, fields: str = "") -> Iterable[V1Pod]:
        found = self.client.list_namespaced_pod(self.namespace, label_selector=labels, field_selector=fields)
        return list(found.items)

    @generic_api_retry
    def _last_lines(self, pod: V1Pod) -> list[str]:
        # With preloaded content the client would read a log of one JSON line as a Python value.
        answer = self.client.read_namespaced_pod_log(
            pod.metadata.name,
            pod.metadata.namespace,
            container=self.base_container_name,
            tail_lines=LAST_LINES,
            _preload_content=False,
        )
        return str(answer.data.decode("utf-8", "backslashreplace")).splitlines()


def _exit_code(pod: V1Pod, container: str) -> int | None:
    """None for a container that has not ended, or never began."""
    status = get_container_status(pod, container)
    ended = status.state.terminated if status and status.state else None
    return ended.exit_code if ended else None


def _hindrances(pod: V1Pod, container: str) -> Iterator[str]:
    """Why it did not start, or was ended: no events, but what the pod says of itself."""
    if pod.status.message:
        yield f"{pod.status.reason}: {pod.status.message}"
    if _exit_code(pod, container) is None:
        yield from _waits(pod)
    elif get_container_status(pod, container).state.terminated.reason == "OOMKilled":
        yield "OOMKilled: it needed more memory than its limit, which MARQUEE_SIZES sets."


def _waits(pod: V1Pod) -> Iterator[str]:
    for condition in pod.status.conditions or ():
        if condition.status == "False" and condition.message:
            yield f"{condition.reason}: {condition.message}"
    for status in pod.status.container_statuses or ():
        if status.state.waiting and status.state.waiting.message:
            yield f"{status.state.waiting.reason}: {status.state.waiting.message}"
