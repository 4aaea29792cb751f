"""A certificate authority, and certificates with one thing wrong each."""

import datetime as dt
from pathlib import Path

import trustme

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DAY = dt.timedelta(days=1)


class Pair:
    """A certificate with its key: PEM texts, and files below a directory."""

    def __init__(self, leaf: trustme.LeafCert, directory: Path, name: str) -> None:
        self.certificate = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        self.key = leaf.private_key_pem.bytes()
        self.certificate_file = directory / f"{name}.crt"
        self.key_file = directory / f"{name}.key"
        self.certificate_file.write_bytes(self.certificate)
        self.key_file.touch(0o600)
        self.key_file.write_bytes(self.key)


class Authority:
    """A certificate authority whose files lie in `directory`. Certificates are made once each."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self._pairs: dict[str, Pair] = {}
        self.ca = self._ca.cert_pem.bytes()
        self.ca_file = directory / "ca.crt"
        self.ca_file.write_bytes(self.ca)

    def server(self, *names: str) -> Pair:
        """For these names and addresses; loopback's without any."""
        names = names or LOOPBACK
        return self._pair("server-" + "-".join(names).replace(":", "_"), *names)

    def expired(self) -> Pair:
        now = dt.datetime.now(dt.UTC)
        return self._pair("expired", *LOOPBACK, not_before=now - 2 * _DAY, not_after=now - _DAY)

    def not_yet_valid(self) -> Pair:
        now = dt.datetime.now(dt.UTC)
        return self._pair("early", *LOOPBACK, not_before=now + _DAY, not_after=now + 2 * _DAY)

    def common_name_only(self, name: str) -> Pair:
        """The host name as common name, which clients ignore (RFC 9525), and an address as only alternative name."""
        return self._pair("common-name", "127.0.0.2", common_name=name)

    def client(self, user: str, *, expired: bool = False) -> Pair:
        now = dt.datetime.now(dt.UTC)
        dates = {"not_before": now - 2 * _DAY, "not_after": now - _DAY} if expired else {}
        key = f"client-{user.replace(':', '-')}{'-expired' * expired}"
        return self._pair(key, "client.example", common_name=user, **dates)

    def _pair(self, key: str, *names: str, **options: object) -> Pair:
        if key not in self._pairs:
            leaf = self._ca.issue_cert(*names, **options)  # type: ignore[arg-type]  # dates and a name, see above
            self._pairs[key] = Pair(leaf, self._directory, key)
        return self._pairs[key]
