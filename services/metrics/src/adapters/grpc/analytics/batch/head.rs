//! Whose batch it is, and what it is called.

use tonic::Status;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::request_id::{self, fingerprint};
use tradepost_types::TenantId;

use super::refused;
use crate::adapters::grpc::DOMAIN;
use crate::adapters::grpc::tenant::Reach;
use crate::domain::{BatchName, ProducerId};

/// Another tenant's events take this right.
const WRITE_ANY: &str = "events:write_any";

/// Where a batch comes from, which knows whose batches it may bring.
pub(crate) trait Origin: Sync {
    /// The tenant that a batch names, or leaves to its origin.
    fn tenant(&self, tenant_id: &str) -> Result<TenantId, Status>;

    /// What a batch is called that has no name itself; none: it must have one.
    fn name(&self) -> Option<BatchName>;
}

impl Origin for Reach {
    fn tenant(&self, tenant_id: &str) -> Result<TenantId, Status> {
        self.tenant(tenant_id, WRITE_ANY)
    }

    fn name(&self) -> Option<BatchName> {
        None
    }
}

/// Whose batch it is, and what it is called.
pub(super) struct Head {
    pub(super) tenant: TenantId,
    pub(super) name: BatchName,
}

impl Head {
    pub(super) fn readable(origin: &dyn Origin, sent: &pb::EventBatch) -> Result<Self, Status> {
        let tenant = origin.tenant(&sent.tenant_id)?;
        let name = if sent.batch_key.is_empty() {
            numbered(origin, &sent.producer_id, sent.sequence)
        } else {
            keyed(sent)
        };
        Ok(Self {
            tenant,
            name: name?,
        })
    }

    pub(super) fn packed(origin: &dyn Origin, sent: &pb::PackedBatch) -> Result<Self, Status> {
        let tenant = origin.tenant(&sent.tenant_id)?;
        let name = numbered(origin, &sent.producer_id, sent.sequence)?;
        Ok(Self { tenant, name })
    }
}

fn numbered(origin: &dyn Origin, producer: &str, sequence: u64) -> Result<BatchName, Status> {
    if producer.is_empty()
        && sequence == 0
        && let Some(name) = origin.name()
    {
        return Ok(name);
    }
    let producer = ProducerId::try_from(producer)
        .map_err(|fault| refused("PRODUCER_INVALID", "producer_id", fault.to_string()))?;
    let sequence = i64::try_from(sequence)
        .ok()
        .filter(|&sequence| sequence > 0);
    let sequence = sequence.ok_or_else(|| {
        let fault = "must be 1 to 9,223,372,036,854,775,807".to_owned();
        refused("SEQUENCE_INVALID", "sequence", fault)
    })?;
    Ok(BatchName::Numbered { producer, sequence })
}

fn keyed(sent: &pb::EventBatch) -> Result<BatchName, Status> {
    let mut faults = Violations::new();
    if let Some(fault) = request_id::fault(&sent.batch_key) {
        faults.add("batch_key", fault);
    }
    if !sent.producer_id.is_empty() {
        faults.add("producer_id", "must be empty beside a batch_key");
    }
    if sent.sequence != 0 {
        faults.add("sequence", "must be 0 beside a batch_key");
    }
    faults.check(DOMAIN)?;
    Ok(BatchName::Keyed {
        key: fingerprint(sent.batch_key.as_bytes()),
        content: content(&sent.events),
    })
}

/// What must be the same when a key comes again: all events as they were sent, good or not, since
/// what is too old depends on when they come. It is written out by hand, because it is kept for
/// days: versions of the service must agree on it. Texts have their length before them, and what
/// takes no place is marked, so that no two contents are written alike.
fn content(events: &[pb::Event]) -> [u8; 32] {
    let texts = events
        .iter()
        .map(|event| event.user_id.len() + event.event_type.len());
    let mut bytes = Vec::with_capacity(events.len() * 37 + texts.sum::<usize>());
    for event in events {
        match &event.event_time {
            Some(time) => {
                bytes.push(1);
                bytes.extend_from_slice(&time.seconds.to_be_bytes());
                bytes.extend_from_slice(&time.nanos.to_be_bytes());
            }
            None => bytes.push(0),
        }
        for text in [&event.user_id, &event.event_type] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&event.value.to_bits().to_be_bytes());
    }
    fingerprint(&bytes)
}
