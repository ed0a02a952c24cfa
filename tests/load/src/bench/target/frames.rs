//! Batches as they go over the wire. Their bodies are made beforehand, and only their heads when
//! they are sent: a producer of the field would cost as much as the service, on the same cores.

use std::marker::PhantomData;

use bytes::{BufMut, Bytes};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;
use tradepost_proto::metrics::v1 as pb;

/// A buffer that a batch fits into without growing, and when it is sent on.
const BUFFER_BYTES: usize = 256 * 1024;
const YIELD_BYTES: usize = 32 * 1024;

/// In which form the events of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Wire {
    /// `EventBatch`: field 1 of the message.
    Readable,
    /// `PackedBatch`: field 2.
    Packed,
}

/// A message of a stream: what is of this sending, and what was made beforehand.
#[derive(Debug, Default)]
pub(in crate::bench) struct Frame {
    head: Vec<u8>,
    body: Bytes,
}

/// The head of a batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Head<'a> {
    pub(in crate::bench) tenant: &'a str,
    pub(in crate::bench) producer: &'a str,
    pub(in crate::bench) sequence: u64,
    /// What times of a packed batch count from.
    pub(in crate::bench) base_time_ms: i64,
}

impl Frame {
    /// A message of either service: both have the same two forms of a batch.
    pub(in crate::bench) fn new(wire: Wire, head: Head<'_>, body: Bytes) -> Self {
        let (field, inner) = match wire {
            Wire::Readable => {
                let batch = pb::EventBatch {
                    tenant_id: head.tenant.to_owned(),
                    producer_id: head.producer.to_owned(),
                    sequence: head.sequence,
                    ..pb::EventBatch::default()
                };
                (1, batch.encode_to_vec())
            }
            Wire::Packed => {
                let batch = pb::PackedBatch {
                    tenant_id: head.tenant.to_owned(),
                    producer_id: head.producer.to_owned(),
                    sequence: head.sequence,
                    base_time_ms: head.base_time_ms,
                    ..pb::PackedBatch::default()
                };
                (2, batch.encode_to_vec())
            }
        };
        let mut bytes = Vec::with_capacity(inner.len() + 16);
        encode_key(field, WireType::LengthDelimited, &mut bytes);
        encode_varint((inner.len() + body.len()) as u64, &mut bytes);
        bytes.extend(inner);
        Self { head: bytes, body }
    }
}

/// Frames out, receipts in.
#[derive(Debug)]
pub(in crate::bench) struct Frames<R>(PhantomData<R>);

impl<R> Default for Frames<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// Writes a frame as it is.
#[derive(Debug)]
pub(in crate::bench) struct Writer;

impl Encoder for Writer {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(frame.head.len() + frame.body.len());
        buffer.put_slice(&frame.head);
        buffer.put_slice(&frame.body);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl<R: Message + Default + Send + 'static> Codec for Frames<R> {
    type Encode = Frame;
    type Decode = R;
    type Encoder = Writer;
    type Decoder = ProstDecoder<R>;

    fn encoder(&mut self) -> Writer {
        Writer
    }

    fn decoder(&mut self) -> ProstDecoder<R> {
        ProstDecoder::default()
    }
}

/// The answer to a batch, of either service.
pub(in crate::bench) trait Ack: Message + Default + Send + 'static {
    /// The stream that is answered so.
    const PATH: &'static str;

    /// What became of it.
    fn receipt(self) -> pb::BatchReceipt;
}

impl Ack for pb::ProcessEventsResponse {
    const PATH: &'static str = "/tradepost.metrics.v1.MetricsService/ProcessEvents";

    fn receipt(self) -> pb::BatchReceipt {
        self.receipt.unwrap_or_default()
    }
}

impl Ack for pb::IngestEventsResponse {
    const PATH: &'static str = "/tradepost.metrics.v1.AnalyticsService/IngestEvents";

    fn receipt(self) -> pb::BatchReceipt {
        self.receipt.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_the_message_that_a_stub_would_send() {
        let batch = pb::PackedBatch {
            tenant_id: "tenant".to_owned(),
            producer_id: "bench-1".to_owned(),
            sequence: 300,
            base_time_ms: 1_700_000_000_000,
            event_types: vec!["page.viewed".to_owned()],
            user_ids: vec!["ada".to_owned()],
            records: vec![7; 400].into(),
        };
        let body = pb::PackedBatch {
            event_types: batch.event_types.clone(),
            user_ids: batch.user_ids.clone(),
            records: batch.records.clone(),
            ..pb::PackedBatch::default()
        };
        let head = Head {
            tenant: &batch.tenant_id,
            producer: &batch.producer_id,
            sequence: batch.sequence,
            base_time_ms: batch.base_time_ms,
        };

        let frame = Frame::new(Wire::Packed, head, body.encode_to_vec().into());

        let bytes = [frame.head.as_slice(), &frame.body].concat();
        let read = pb::ProcessEventsRequest::decode(bytes.as_slice()).unwrap();
        let sent = pb::process_events_request::Batch::Packed(batch);
        assert_eq!(read.batch, Some(sent));
    }
}
