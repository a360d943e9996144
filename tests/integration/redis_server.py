"""Private Redis servers, on a free TCP port or a unix socket, that save nothing unless told to."""

import shutil
from pathlib import Path

import redis

from process import Failure, free_port, kill, spawn, stop, tail, wait_until


class RedisServer:
    """Use as a context manager. `password` protects the default user; `users` ({name: password})
    are ACL users beside it, in which case the default user is off. `durable`: what it has
    acknowledged is there again after it was killed."""

    def __init__(self, folder, password=None, users=None, unix=False, durable=False):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.log = self.folder / "redis.log"
        self.password = password
        self.users = users or {}
        self.socket = self.folder / "redis.sock" if unix else None
        self.port = 0 if unix else free_port()
        self.child = None
        self.durable = durable
        self._write_config()

    def _write_config(self):
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            'save ""',
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync always",
            "daemonize no",
        ]
        if self.socket:
            lines.append(f"unixsocket {self.socket}")
        if self.password:
            lines.append(f"requirepass {self.password}")
        lines += [f"user {name} on >{word} ~* &* +@all" for name, word in self.users.items()]
        if self.users:
            lines.append("user default off")
        (self.folder / "redis.conf").write_text("\n".join(lines) + "\n")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        kill(self.child)

    def start(self):
        """A server that is started again is empty, unless it is durable."""
        self.child = spawn(["redis-server", self.folder / "redis.conf"], self.log)
        try:
            wait_until(self._answers, 10, "redis-server answers")
        except Failure as failure:
            raise Failure(f"{failure}; its log:\n{tail(self.log)}") from None

    def stop(self):
        stop(self.child)

    def kill(self):
        kill(self.child)

    def empty(self):
        """Of one that is not running: what it has saved."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def url(self, user=None, password=None):
        """As a pipeline file names this server; without arguments with the right credentials."""
        if user is None and password is None:
            user, password = next(iter(self.users.items()), (None, self.password))
        login = f"{user or ''}:{password}@" if password else ""
        if self.socket:
            return f"unix://{login}{self.socket}"
        return f"redis://{login}127.0.0.1:{self.port}"

    def client(self):
        user, password = next(iter(self.users.items()), (None, self.password))
        options = {"username": user, "password": password, "socket_timeout": 20}
        if self.socket:
            return redis.Redis(unix_socket_path=str(self.socket), **options)
        return redis.Redis(port=self.port, **options)

    def hashes(self):
        """Everything it holds: {key: {field: text}}; a key that is no hash fails the test."""
        client = self.client()
        keys = list(client.scan_iter(count=10_000))
        found = {}
        for first in range(0, len(keys), 5000):
            part = keys[first : first + 5000]
            pipe = client.pipeline(transaction=False)
            for key in part:
                pipe.hgetall(key)
            for key, fields in zip(part, pipe.execute()):
                found[key.decode()] = {
                    name.decode(): value.decode() for name, value in fields.items()
                }
        client.close()
        # A key that expired between the scan and the read comes back as an empty hash.
        return {key: fields for key, fields in found.items() if fields}

    def ttls(self, keys):
        """Seconds left of some keys; -1: no TTL, -2: no such key."""
        client = self.client()
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.ttl(key)
        return dict(zip(keys, pipe.execute()))

    def _answers(self):
        if self.child.poll() is not None:
            raise Failure("redis-server ended by itself")
        try:
            return self.client().ping()
        except redis.ConnectionError:
            return False
