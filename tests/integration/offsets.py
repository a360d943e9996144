"""What a consumer group has committed, with the metadata that the Python client does not show: by way
of the C library that it is made of. And the other way round: commits as somebody else makes them."""

import ctypes
import time
from ctypes import c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p

from process import Failure

_CONSUMER = 1
_SECONDS = 20


class _Partition(ctypes.Structure):
    _fields_ = [
        ("topic", c_char_p),
        ("partition", c_int32),
        ("offset", c_int64),
        ("metadata", c_void_p),
        ("metadata_size", c_size_t),
        ("opaque", c_void_p),
        ("error", c_int),
        ("private", c_void_p),
    ]


class _List(ctypes.Structure):
    _fields_ = [
        ("count", c_int),
        ("size", c_int),
        ("items", ctypes.POINTER(_Partition)),
    ]


def _library():
    library = ctypes.CDLL("librdkafka.so.1")
    library.rd_kafka_conf_new.restype = c_void_p
    library.rd_kafka_conf_set.argtypes = [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]
    library.rd_kafka_new.argtypes = [c_int, c_void_p, c_char_p, c_size_t]
    library.rd_kafka_new.restype = c_void_p
    library.rd_kafka_destroy.argtypes = [c_void_p]
    library.rd_kafka_consumer_close.argtypes = [c_void_p]
    library.rd_kafka_topic_partition_list_new.restype = ctypes.POINTER(_List)
    library.rd_kafka_topic_partition_list_add.argtypes = [
        ctypes.POINTER(_List), c_char_p, c_int32,
    ]  # fmt: skip
    library.rd_kafka_topic_partition_list_add.restype = c_void_p
    library.rd_kafka_topic_partition_list_destroy.argtypes = [ctypes.POINTER(_List)]
    library.rd_kafka_committed.argtypes = [c_void_p, ctypes.POINTER(_List), c_int]
    library.rd_kafka_subscribe.argtypes = [c_void_p, ctypes.POINTER(_List)]
    library.rd_kafka_queue_new.argtypes, library.rd_kafka_queue_new.restype = [c_void_p], c_void_p
    library.rd_kafka_queue_destroy.argtypes = [c_void_p]
    library.rd_kafka_queue_poll.argtypes = [c_void_p, c_int]
    library.rd_kafka_queue_poll.restype = c_void_p
    library.rd_kafka_event_error.argtypes = [c_void_p]
    library.rd_kafka_event_destroy.argtypes = [c_void_p]
    library.rd_kafka_DeleteRecords_new.argtypes = [ctypes.POINTER(_List)]
    library.rd_kafka_DeleteRecords_new.restype = c_void_p
    library.rd_kafka_DeleteRecords_destroy.argtypes = [c_void_p]
    library.rd_kafka_DeleteRecords.argtypes = [
        c_void_p, ctypes.POINTER(c_void_p), c_size_t, c_void_p, c_void_p,
    ]  # fmt: skip
    library.strdup = ctypes.CDLL(None).strdup
    library.strdup.argtypes, library.strdup.restype = [c_char_p], c_void_p
    library.rd_kafka_poll_set_consumer.argtypes = [c_void_p]
    library.rd_kafka_consumer_poll.argtypes = [c_void_p, c_int]
    library.rd_kafka_consumer_poll.restype = c_void_p
    library.rd_kafka_message_destroy.argtypes = [c_void_p]
    library.rd_kafka_commit.argtypes = [c_void_p, ctypes.POINTER(_List), c_int]
    library.rd_kafka_err2str.argtypes = [c_int]
    library.rd_kafka_err2str.restype = c_char_p
    return library


def _consumer(library, address, group, **more):
    text = ctypes.create_string_buffer(512)
    conf = library.rd_kafka_conf_new()
    properties = {"bootstrap.servers": address, "group.id": group, "log_level": "0", **more}
    for name, value in properties.items():
        library.rd_kafka_conf_set(conf, name.encode(), value.encode(), text, len(text))
    consumer = library.rd_kafka_new(_CONSUMER, conf, text, len(text))
    if not consumer:
        raise Failure(f"no consumer: {text.value.decode()}")
    return consumer


def committed_with_metadata(broker, group, topic):
    """{partition: (offset, metadata as text)}; partitions without a commit are left out."""
    library = _library()
    consumer = _consumer(library, broker.address, group)
    wanted = library.rd_kafka_topic_partition_list_new(1)
    try:
        for number in range(broker.partitions(topic)):
            library.rd_kafka_topic_partition_list_add(wanted, topic.encode(), number)
        error = library.rd_kafka_committed(consumer, wanted, _SECONDS * 1000)
        if error:
            raise Failure(f"what group {group} has committed is not known: error {error}")
        found = wanted.contents.items[: wanted.contents.count]
        return {item.partition: (item.offset, _text(item)) for item in found if item.offset >= 0}
    finally:
        library.rd_kafka_topic_partition_list_destroy(wanted)
        library.rd_kafka_consumer_close(consumer)
        library.rd_kafka_destroy(consumer)


def commit_as(broker, group, instance, topic, offsets):
    """Commits {partition: (offset, metadata)} in the place of the static member `instance`, which must
    not be running: what a person does with a tool."""
    library = _library()
    member = {
        "group.instance.id": instance,
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": "false",
    }
    consumer = _consumer(library, broker.address, group, **member)
    topics = library.rd_kafka_topic_partition_list_new(1)
    wanted = library.rd_kafka_topic_partition_list_new(len(offsets))
    try:
        library.rd_kafka_poll_set_consumer(consumer)
        library.rd_kafka_topic_partition_list_add(topics, topic.encode(), -1)
        library.rd_kafka_subscribe(consumer, topics)
        texts = []
        for place, (number, (offset, metadata)) in enumerate(offsets.items()):
            library.rd_kafka_topic_partition_list_add(wanted, topic.encode(), number)
            item = wanted.contents.items[place]
            item.offset = offset
            if metadata:
                texts.append(library.strdup(metadata.encode()))  # the list frees it
                item.metadata, item.metadata_size = texts[-1], len(metadata)
        _commit(library, consumer, wanted)
    finally:
        library.rd_kafka_topic_partition_list_destroy(topics)
        library.rd_kafka_topic_partition_list_destroy(wanted)
        library.rd_kafka_consumer_close(consumer)
        library.rd_kafka_destroy(consumer)


def _commit(library, consumer, wanted):
    """Once it is a member of the group: before, the coordinator refuses."""
    deadline = time.monotonic() + _SECONDS
    while True:
        message = library.rd_kafka_consumer_poll(consumer, 100)
        if message:
            library.rd_kafka_message_destroy(message)
        error = library.rd_kafka_commit(consumer, wanted, 0)
        if not error:
            return
        if time.monotonic() > deadline:
            text = library.rd_kafka_err2str(error).decode()
            raise Failure(f"the offsets cannot be committed: {text}")


def delete_records(broker, topic, number, first):
    """All of a partition before the offset `first`, as though they had expired."""
    library = _library()
    client = _consumer(library, broker.address, "delete-records")
    queue = library.rd_kafka_queue_new(client)
    wanted = library.rd_kafka_topic_partition_list_new(1)
    library.rd_kafka_topic_partition_list_add(wanted, topic.encode(), number)
    wanted.contents.items[0].offset = first
    request = c_void_p(library.rd_kafka_DeleteRecords_new(wanted))
    try:
        library.rd_kafka_DeleteRecords(client, ctypes.byref(request), 1, None, queue)
        event = library.rd_kafka_queue_poll(queue, _SECONDS * 1000)
        if not event or library.rd_kafka_event_error(event):
            raise Failure(f"{topic}/{number}: records cannot be deleted")
        library.rd_kafka_event_destroy(event)
    finally:
        library.rd_kafka_DeleteRecords_destroy(request)
        library.rd_kafka_topic_partition_list_destroy(wanted)
        library.rd_kafka_queue_destroy(queue)
        library.rd_kafka_destroy(client)


def _text(item):
    if not item.metadata:
        return ""
    return ctypes.string_at(item.metadata, item.metadata_size).decode()
