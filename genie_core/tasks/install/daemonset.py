"""`genie install --from-daemonset`: keep the plugin installed on a node. It stays when this process ends.

Every few seconds it repairs the installation (another agent may have removed files, lessons 5), and renews the token
of the plugin's account at half of its life (lessons 3). The token is asked for with TokenRequest and bound to the
Node object: it ends with the node, and an admission policy can read the node's name from it. It is not bound to this
pod, as the one that kubelet projects: that one ends with the pod, and for the length of an upgrade the plugin would
be refused everywhere. A node that was deleted and has registered again is another object: so every few minutes the
server is asked whether it still accepts the token. Nothing is removed at the end.

The life of a token is measured on the clock since boot, which is never set: a node whose time of day was a year ahead
when it started would not renew it for months.

The plugin is installed even while there is no token: pods whose annotations come from the runtime start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from genie_core.edges.confdir import list_files
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_cluster import Cluster, Credentials, Pem, parse_server
from genie_core.edges.kube_errors import APIError, Rejected, Unauthorized
from genie_core.edges.kube_resources import NODE, SERVICE_ACCOUNT
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError, InvalidConfig
from genie_core.survey.rootfs import Root
from genie_core.survey.user_cluster import ACCOUNT_DIR, url_in_pod
from genie_core.tasks.atomic import write_file
from genie_core.tasks.install.conflist import CONFLIST, TYPE, InstallOptions
from genie_core.tasks.install.payload import version_of
from genie_core.tasks.install.placement import Placement, assumption, place
from genie_core.tasks.install.run import install, old_code, preview

LOOK_SECONDS = 10.0
TOKEN_SECONDS = 24 * 3600
RETRY_SECONDS = 30.0
CHECK_SECONDS = 300.0
API_SECONDS = 15.0
_STUCK_LOOKS = 12  # a look installs at most once, which takes seconds
_NOT_INSTALLED = "the plugin is not installed"


def _since_boot() -> float:
    """Seconds since the boot, suspended time included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Stop(Protocol):
    """The part of threading.Event that is used here."""

    def wait(self, timeout: float) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOptions:
    """What to keep on the node. `install` names the API server and the files of token and CA on the node.

    `locate` says at each look where the plugin belongs; None: where `install` says.
    `account` is (namespace, name) of the account that the plugin acts as; `credentials` the folder with this
    process's own token and the cluster's CA; `node` the name of the Node object that tokens are bound to, "" for none.
    """

    install: InstallOptions
    account: tuple[str, str]
    locate: Callable[[], Placement] | None = None
    credentials: Path = Path(ACCOUNT_DIR)
    node: str = ""
    token_seconds: float = TOKEN_SECONDS
    api_seconds: float = API_SECONDS


@dataclass(slots=True, kw_only=True)
class Keeper:
    """The state at the last look.

    `written` are the networks' files in the runtime's directory, as the last installation left them.

    `renew_at`, `check_at` and `ends_at` are seconds on `clock`, 0 before the first token; `not_renewed` says why the
    last try to renew it failed.

    `time_of_day` and `expires_at` are seconds since 1970; the latter comes from the server.
    """

    options: KeepOptions
    log: JSONLog
    clock: Callable[[], float] = _since_boot
    time_of_day: Callable[[], float] = time.time
    renew_at: float = 0
    check_at: float = 0
    ends_at: float = 0
    not_renewed: str = ""
    expires_at: float = 0
    looked_at: float = field(default_factory=time.monotonic)
    problems: list[str] = field(default_factory=lambda: [_NOT_INSTALLED])
    version: str = ""
    written: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def look(self) -> None:
        """Repair the installation. A failure is logged, and the repair tried again at the next look.

        The token comes first: its renewal takes no lock of an installation.
        """
        problems = []
        for step in (self._write_ca, self._renew_token, self._install):
            try:
                step()
            except (GenieError, OSError) as error:
                problems.append(_words(error))
        if self.clock() >= self.ends_at > 0:
            problems.append("the plugin's token has expired")
        if not self.version:
            problems.insert(0, _NOT_INSTALLED)
        if problems != self.problems:
            self.log.warning("not installed as configured", problems=problems) if problems else self.log.info(
                "all right"
            )
        self.problems = problems
        self.looked_at = time.monotonic()

    def readiness(self) -> tuple[list[str], Mapping[str, object]]:
        """Readiness, whether pods get their networks: the problem, "" for none, and the facts."""
        return self.problems, {"version": self.version, "tokenExpires": int(self.expires_at)}

    def liveness(self) -> tuple[list[str], Mapping[str, object]]:
        """Liveness, whether the loop makes progress: the problem, "" for none, and the facts."""
        seconds = time.monotonic() - self.looked_at
        return (["the loop is stuck"] if seconds > _STUCK_LOOKS * LOOK_SECONDS else []), {
            "secondsAgo": int(seconds)
        }

    # --- the steps --------------------------------------------------------------------------------------

    def _write_ca(self) -> None:
        _write(self.options.install.ca_file, (self.options.credentials / "ca.crt").read_text(), 0o644)

    def _renew_token(self) -> None:
        target = self.options.install.token_file
        if target is None or (
            self.clock() < self.renew_at and target.exists() and not self._is_refused(target)
        ):
            if self.not_renewed:  # the old token expires
                raise GenieError(self.not_renewed)
            return
        asked = self.clock()
        self.renew_at = asked + RETRY_SECONDS if target.exists() else 0
        try:
            minted = self._mint()
        except GenieError as error:
            self.not_renewed = error.msg
            raise
        _write(target, minted.token, 0o600)
        life = minted.life(self.time_of_day())
        self.expires_at, self.ends_at, self.renew_at = minted.expires_at, asked + life, asked + life / 2
        self.check_at, self.not_renewed = asked + CHECK_SECONDS, ""
        self.log.info("token renewed", seconds=int(life))

    def _mint(self) -> Minted:
        """A token bound to this node; one bound to nothing where the server cannot bind it (before Kubernetes 1.31)."""
        ask, seconds = self.options.account, self.options.token_seconds
        with KubeAPI(self._cluster(), self.options.api_seconds, self.log) as api:
            try:
                return request_token(api, *ask, seconds, node=self.options.node)
            except Rejected as error:
                if not self.options.node or error.status != HTTPStatus.BAD_REQUEST:
                    raise
                self.log.warning("the token is not bound to this node", problem=error.details or error.msg)
                return request_token(api, *ask, seconds)

    def _is_refused(self, token_file: Path) -> bool:
        """Whether the server no longer accepts the token; asked every CHECK_SECONDS. Without an answer: no."""
        if self.clock() < self.check_at:
            return False
        self.check_at = self.clock() + CHECK_SECONDS
        try:
            with KubeAPI(self._cluster(token_file), self.options.api_seconds, self.log) as api:
                api.get(("version",))
        except Unauthorized:
            self.log.warning("the server no longer accepts the token", node=self.options.node)
            return True
        except APIError:
            return False
        return False

    def _install(self) -> None:
        try:
            options = self._placed()
            unchanged = _written(options) == self.written
            if self.version and unchanged and not preview(options).changed and not _has_old_code(options):
                return
            report = install(options)
        except GenieError:
            self.version = ""
            raise
        self.version, self.written = report.version, _written(options)
        self.log.info(
            "installed",
            version=report.version,
            changed=[str(path) for path in report.changed],
            moved=list(report.moved),
            notes=list(report.warnings),
        )

    def _placed(self) -> InstallOptions:
        if self.options.locate is None:
            return self.options.install
        found = self.options.locate()
        return replace(
            self.options.install,
            bin_dir=Path(found.bin_dir),
            conf_dir=Path(found.conf_dir),
            placement=found,
        )

    def _cluster(self, token_file: Path | None = None) -> Cluster:
        """The API server, with this pod's own token unless another file is named."""
        tls, host, port, base = parse_server(self.options.install.api_server, secured=True)
        credentials = Credentials(token_file=str(token_file or self.options.credentials / "token"))
        authority = Pem(str(self.options.credentials / "ca.crt"))
        return Cluster(
            tls, host, port, base, ca=authority, credentials=credentials, source="this pod's account"
        )


def locate(bin_dir: Path | None, conf_dir: Path | None) -> Placement:
    """Where the plugin belongs on the node whose directories are mounted here. Raises GenieError where it cannot go."""
    placement = place(bin_dir, conf_dir, Root())
    places = (("bin_dirs", bin_dir, placement.bin_dir), ("conf_dir", conf_dir, placement.conf_dir))
    for name, asked, directory in places:
        # the image has the usual ones, where nothing can be written
        if asked is None and not os.access(directory, os.W_OK):
            names = " and ".join(runtime.name for runtime in placement.runtimes) or "the runtime"
            assumed = [assumption(one, name) for one in placement.runtimes if name in one.assumed]
            looks = f"{assumed[0]}. It" if assumed else f"{names} of this node looks in {directory}, which"
            raise InvalidConfig(
                f"{looks} is not mounted here: nothing is installed",
                hint="mount it in the DaemonSet in place of the one that is (docs/install-in-a-cluster.md)",
            )
    return placement


def keep(keeper: Keeper, stop: Stop, seconds: float = LOOK_SECONDS) -> None:
    """Look at once, and again until `stop` is set."""
    keeper.look()
    while not stop.wait(seconds):
        keeper.look()


class Minted(NamedTuple):
    """A token, when it expires (seconds since 1970, by the server's clock), and the seconds that were granted."""

    token: str
    expires_at: float
    granted: float

    def life(self, time_of_day: float) -> float:
        """Seconds for which it is valid; where the two clocks contradict each other, the seconds that were granted."""
        left = self.expires_at - time_of_day
        return left if 0 < left <= self.granted else self.granted


def request_token(api: KubeAPI, namespace: str, account: str, seconds: float, *, node: str = "") -> Minted:
    """A token of the account, bound to a Node object where one is named.

    The server may grant fewer seconds than were asked for, its answer has the number.
    """
    spec: dict[str, Any] = {"expirationSeconds": int(seconds)}
    if node:
        spec["boundObjectRef"] = {**NODE.type_meta, "name": node}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer: Any = api.create((*SERVICE_ACCOUNT.path(namespace, account), "token"), request)
    try:
        status, granted = answer["status"], answer.get("spec", spec).get("expirationSeconds", seconds)
        expires_at = datetime.fromisoformat(status["expirationTimestamp"]).timestamp()
        return Minted(status["token"], expires_at, min(float(granted), seconds))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GenieError(f"the API server's answer for a token of {namespace}/{account} holds none") from None


def in_cluster_server(env: Mapping[str, str] | None = None) -> str:
    """The API server's URL from the variables that kubelet sets in every pod. Raises InvalidConfig outside of a pod."""
    url = url_in_pod(os.environ if env is None else env)
    if not url:
        raise InvalidConfig(
            "--from-daemonset: KUBERNETES_SERVICE_HOST is not set, as it is in every pod",
            hint="name the API server with --api-server",
        )
    return url


def _has_old_code(options: InstallOptions) -> bool:
    return bool(old_code(options.bin_dir / TYPE))


def _written(options: InstallOptions) -> dict[str, tuple[int, ...]]:
    """The networks' files in the runtime's directory; of those that matter with what changes when one is written.

    Of Genie's configuration an operator's change is recorded. In CRI-O's directory, agents write the others again, at
    each start, and CRI-O would release running pods' addresses (delegate_files.py).
    """
    paths = [Path(path) for path in list_files(str(options.conf_dir))]
    followed = [path for path in paths if options.for_crio or path.name == CONFLIST]
    return {path.name: version_of(path) if path in followed else () for path in paths if path.exists()}


def _words(error: GenieError | OSError) -> str:
    return error.msg if isinstance(error, GenieError) else f"{error.filename}: {error.strerror}"


def _write(path: Path | None, text: str, mode: int) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text, mode)
