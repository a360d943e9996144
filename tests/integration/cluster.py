"""A Kafka cluster of three nodes on loopback, each of which can be killed and started again.

    node 1, 2, 3   broker and controller; every topic has a replica on each

Nodes keep their ports and folders. Old segments are compacted, within seconds, where a topic wants it.
"""

import socket
import struct
from pathlib import Path

from confluent_kafka.admin import AdminClient

from kafka import VERSION, Broker, format_storage, java
from process import Failure, free_port, kill, tail, wait_until

NODES = 3

_PROPERTIES = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
min.insync.replicas=1
offsets.topic.replication.factor=3
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.roll.hours=1000000
log.cleaner.backoff.ms=300
log.cleaner.dedupe.buffer.size=2000000
num.network.threads=2
num.io.threads=2
controlled.shutdown.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=5000
unclean.leader.election.enable=false
"""


class Node:
    def __init__(self, number, folder, version):
        self.number = number
        self.folder = folder
        self.version = version
        self.port = free_port()
        self.controller_port = free_port()
        self.log = folder / f"node-{number}.log"
        self.config = folder / f"node-{number}.properties"
        self.child = None

    def prepare(self, voters):
        self.config.write_text(
            _PROPERTIES.format(
                number=self.number,
                voters=voters,
                port=self.port,
                controller_port=self.controller_port,
                data=self.folder / f"data-{self.number}",
            )
        )
        format_storage(self.log, self.config, self.version)

    def start(self):
        self.child = java(self.log, "kafka.Kafka", self.config, version=self.version, heap="256m")

    def kill(self):
        kill(self.child)


class Cluster(Broker):
    """Use as a context manager, in place of a broker."""

    replicas = NODES

    def __init__(self, folder, version=VERSION):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.nodes = [Node(number, self.folder, version) for number in range(1, NODES + 1)]
        self.address = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.admin = AdminClient(self.client())
        voters = ",".join(f"{node.number}@127.0.0.1:{node.controller_port}" for node in self.nodes)
        for node in self.nodes:
            node.prepare(voters)

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()

    def start(self):
        for node in self.nodes:
            node.start()
        self._await_nodes()

    def _await_nodes(self):
        try:
            wait_until(self._answers, 90, "all nodes answer", every=0.3)
        except Failure as failure:
            logs = "\n".join(f"{node.log}:\n{tail(node.log)}" for node in self.nodes)
            raise Failure(f"{failure}; their logs:\n{logs}") from None

    def _answers(self):
        for node in self.nodes:
            if node.child.poll() is not None:
                raise Failure(f"node {node.number} ended by itself")
        try:
            return len(self.admin.list_topics(timeout=2).brokers) == NODES
        except Exception:  # not yet
            return False

    # Leaders

    def leader(self, topic, partition):
        """Its node's number, or -1."""
        return self.admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader

    def kill_leader(self, topic, partition):
        """Its node is killed; returns it when others lead all that it led."""
        node = self.nodes[self.leader(topic, partition) - 1]
        node.kill()

        def led_by_others():
            try:
                found = self.admin.list_topics(topic, timeout=2).topics[topic].partitions.values()
            except Exception:  # the one that was asked is the one that is away
                return False
            return all(place.leader not in (-1, node.number) for place in found)

        wait_until(led_by_others, 60, f"node {node.number} leads nothing any more", every=0.3)
        return node

    def revive(self, node):
        node.start()
        self._await_nodes()

    def reassign(self, topic, replicas):
        """{partition: [node number, …]}: the first of them is to lead. Returns when all do."""
        body = bytearray(struct.pack(">i", 30_000)) + _count(1) + _text(topic)
        body += _count(len(replicas))
        for partition, nodes in replicas.items():
            body += struct.pack(">i", partition) + _count(len(nodes))
            body += b"".join(struct.pack(">i", number) for number in nodes) + b"\0"
        body += b"\0\0"
        self._request(_ALTER_PARTITION_REASSIGNMENTS, bytes(body))

        def done():
            found = self.admin.list_topics(topic, timeout=5).topics[topic].partitions
            return all(
                found[number].leader in nodes and set(found[number].replicas) == set(nodes)
                for number, nodes in replicas.items()
            )

        wait_until(done, 60, f"the partitions of {topic} have moved", every=0.3)

    def _request(self, api, body):
        """One request, in its version 0, to whichever node; the controller gets to know of it."""
        head = struct.pack(">hhi", api, 0, 1) + struct.pack(">h", 4) + b"test" + b"\0"
        with socket.create_connection(("127.0.0.1", self.nodes[0].port), 30) as link:
            link.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
            answer = link.makefile("rb")
            (size,) = struct.unpack(">i", answer.read(4))
            text = answer.read(size)
        # correlation id, tags, throttle; then the error of the whole
        (error,) = struct.unpack(">h", text[9:11])
        if error:
            raise Failure(f"request {api} was answered with error {error}")


_ALTER_PARTITION_REASSIGNMENTS = 45


def _count(number):
    if number + 1 >= 128:
        raise ValueError("too many for one byte")
    return bytes([number + 1])


def _text(text):
    return _count(len(text)) + text.encode()
