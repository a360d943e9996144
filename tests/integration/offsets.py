"""What a consumer group has committed, with the metadata that the Python client does not show: by way
of the C library that it is made of."""

import ctypes
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
    return library


def _consumer(library, address, group):
    text = ctypes.create_string_buffer(512)
    conf = library.rd_kafka_conf_new()
    properties = {"bootstrap.servers": address, "group.id": group, "log_level": "0"}
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


def _text(item):
    if not item.metadata:
        return ""
    return ctypes.string_at(item.metadata, item.metadata_size).decode()
