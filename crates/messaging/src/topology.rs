//! Exchanges, queues and bindings. The publisher's side declares exchanges, the consumer's side
//! its queues, their dead-letter queues and the bindings.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::config::MessagingConfig;
use crate::envelope::Route;

/// Direct: the key names service and command.
pub(crate) const COMMANDS: &str = "tradepost.commands";
/// Topic: the key names aggregate and what happened.
pub(crate) const EVENTS: &str = "tradepost.events";
/// Deliveries of one message before the broker gives it up. Only a consumer that crashes again and
/// again comes near it; failures we see are counted in the retry rows.
const DELIVERY_LIMIT: i32 = 20;
/// Queues of a namespace belong to a test that may die; the broker removes them when unused.
const TEST_QUEUE_EXPIRY_MS: i32 = 600_000;

/// What a queue listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    exchange: &'static str,
    key: String,
}

impl Binding {
    /// The command `name` of `service`.
    #[must_use]
    pub fn command(service: &str, name: &str) -> Self {
        Self {
            exchange: COMMANDS,
            key: format!("{service}.{name}"),
        }
    }

    /// Events whose key matches the pattern, e.g. `payment.*`.
    #[must_use]
    pub fn event(pattern: &str) -> Self {
        Self {
            exchange: EVENTS,
            key: pattern.to_owned(),
        }
    }
}

impl Route {
    pub(crate) const fn exchange(&self) -> &'static str {
        match self {
            Self::Command { .. } => COMMANDS,
            Self::Event { .. } => EVENTS,
        }
    }

    pub(crate) fn key(&self) -> String {
        match self {
            Self::Command { service, name } => format!("{service}.{name}"),
            Self::Event { key, .. } => (*key).to_owned(),
        }
    }

    pub(crate) const fn mandatory(&self) -> bool {
        match self {
            Self::Command { .. } => true,
            Self::Event { required, .. } => *required,
        }
    }
}

/// The queue that takes what the broker gave up.
pub(crate) fn dead(queue: &str) -> String {
    format!("{queue}.dead")
}

/// Declares both exchanges.
pub(crate) async fn declare_exchanges(
    channel: &Channel,
    config: &MessagingConfig,
) -> Result<(), lapin::Error> {
    let exchanges = [
        (COMMANDS, ExchangeKind::Direct),
        (EVENTS, ExchangeKind::Topic),
    ];
    for (name, kind) in exchanges {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let name = config.name(name).as_str().into();
        channel
            .exchange_declare(name, kind, options, FieldTable::default())
            .await?;
    }
    Ok(())
}

/// Declares a queue with its dead-letter queue and binds it.
pub(crate) async fn declare_queue(
    channel: &Channel,
    config: &MessagingConfig,
    queue: &str,
    bindings: &[Binding],
) -> Result<(), lapin::Error> {
    let name = config.name(queue);
    let dead = dead(&name);
    declare(channel, &dead, quorum(config)).await?;
    declare(channel, &name, work_arguments(config, &dead)).await?;
    for binding in bindings {
        channel
            .queue_bind(
                name.as_str().into(),
                config.name(binding.exchange).as_str().into(),
                binding.key.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
    }
    Ok(())
}

async fn declare(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, arguments)
        .await
        .map(drop)
}

fn quorum(config: &MessagingConfig) -> FieldTable {
    let mut arguments = FieldTable::default();
    set(&mut arguments, "x-queue-type", "quorum");
    if config.namespace.is_some() {
        arguments.insert("x-expires".into(), AMQPValue::LongInt(TEST_QUEUE_EXPIRY_MS));
    }
    arguments
}

/// Arguments cannot change after the first declaration, and the defaults differ between broker
/// versions, so everything that matters is named. At-least-once dead-lettering needs
/// `reject-publish`.
fn work_arguments(config: &MessagingConfig, dead: &str) -> FieldTable {
    let mut arguments = quorum(config);
    arguments.insert(
        "x-delivery-limit".into(),
        AMQPValue::LongInt(DELIVERY_LIMIT),
    );
    set(&mut arguments, "x-dead-letter-exchange", "");
    set(&mut arguments, "x-dead-letter-routing-key", dead);
    set(&mut arguments, "x-dead-letter-strategy", "at-least-once");
    set(&mut arguments, "x-overflow", "reject-publish");
    arguments
}

fn set(arguments: &mut FieldTable, name: &str, value: &str) {
    arguments.insert(name.into(), AMQPValue::LongString(value.into()));
}
