package freshet.peers.flink;

import freshet.peers.Event;
import freshet.peers.EventReader;
import freshet.peers.Run;
import freshet.peers.Workload;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Records into events. Dead letters are counted only, as in freshet's runs. */
final class Records implements KafkaRecordDeserializationSchema<Event> {
    private final Workload workload;
    private transient EventReader reader;
    private transient Event event;
    private transient boolean begun;

    Records(Workload workload) {
        this.workload = workload;
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        reader = new EventReader(workload);
        event = new Event();
    }

    /** The same object each time: it is written to the network, or used up, before the next. */
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Event> out) {
        if (!begun) {
            begun = true;
            Run.begin();
        }
        if (reader.read(record.value(), record.timestamp(), event)) {
            out.collect(event);
        } else {
            Run.addDead(1);
        }
    }

    @Override
    public TypeInformation<Event> getProducedType() {
        return Type.EVENT;
    }
}
