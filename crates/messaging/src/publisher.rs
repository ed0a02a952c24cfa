//! Publishing one window of messages and sorting the broker's answers.
//!
//! The client hands a returned message to *whichever* confirm completes next, so a return is
//! matched to its row by message id, over the whole window. That is sound only when a channel
//! carries one window at a time and no confirm of an earlier one is outstanding: a lane owns its
//! channel and takes a new one after every time-out.

use std::collections::HashSet;

use futures::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};

use crate::config::MessagingConfig;
use crate::link::{Link, LinkError};
use crate::outbox::Row;
use crate::wire;

/// What became of a window.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Rows the broker has taken over.
    pub(crate) confirmed: Vec<i64>,
    /// Rows no queue wanted.
    pub(crate) returned: Vec<i64>,
    /// Rows the broker refused.
    pub(crate) refused: Vec<i64>,
    /// The channel died before every row had its answer.
    pub(crate) failure: Option<lapin::Error>,
}

/// A channel in confirm mode.
pub(crate) struct Publisher {
    channel: Channel,
    namespace: Option<String>,
    source: String,
}

impl Publisher {
    pub(crate) async fn open(
        link: &Link,
        config: &MessagingConfig,
        source: &str,
    ) -> Result<Self, LinkError> {
        let channel = link.channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Self {
            channel,
            namespace: config.namespace.clone(),
            source: source.to_owned(),
        })
    }

    /// Publishes all rows without waiting in between, then collects every confirm.
    pub(crate) async fn publish(&self, rows: &[Row]) -> Outcome {
        let answers = join_all(rows.iter().map(|row| self.publish_row(row))).await;
        let mut outcome = Outcome::default();
        let mut acked = Vec::with_capacity(rows.len());
        let mut unroutable = HashSet::new();
        for (row, answer) in rows.iter().zip(answers) {
            match answer {
                Ok(Some(confirmation)) => {
                    if confirmation.is_ack() {
                        acked.push(row);
                    } else {
                        outcome.refused.push(row.seq);
                    }
                    unroutable.extend(returned_id(confirmation));
                }
                Ok(None) => outcome.refused.push(row.seq),
                Err(error) => outcome.failure = Some(error),
            }
        }
        for row in acked {
            if !unroutable.is_empty() && unroutable.contains(&row.message.id.to_string()) {
                outcome.returned.push(row.seq);
            } else {
                outcome.confirmed.push(row.seq);
            }
        }
        outcome
    }

    /// `None`: the envelope does not fit into AMQP, so it was not sent.
    async fn publish_row(&self, row: &Row) -> Result<Option<Confirmation>, lapin::Error> {
        let Some(properties) = wire::properties(&row.message, &self.source) else {
            return Ok(None);
        };
        let confirm = self.send(row, properties).await?;
        confirm.await.map(Some)
    }

    async fn send(
        &self,
        row: &Row,
        properties: BasicProperties,
    ) -> Result<lapin::PublisherConfirm, lapin::Error> {
        let exchange = match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", row.exchange),
            None => row.exchange.clone(),
        };
        let options = BasicPublishOptions {
            mandatory: row.mandatory,
            immediate: false,
        };
        self.channel
            .basic_publish(
                exchange.into(),
                row.routing_key.as_str().into(),
                options,
                &row.message.body,
                properties,
            )
            .await
    }
}

fn returned_id(confirmation: Confirmation) -> Option<String> {
    let returned = confirmation.take_message()?;
    let id = returned.delivery.properties.message_id().as_ref()?;
    Some(id.to_string())
}
