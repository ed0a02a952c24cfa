//! Consumers: gather what is ready, handle it as one batch, acknowledge after commit.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio_util::sync::CancellationToken;
use tradepost_postgres::{Database, Pace};

use crate::config::MessagingConfig;
use crate::envelope::matters;
use crate::failure::{Fault, Raw};
use crate::handler::{Delivery, Subscription};
use crate::health::Health;
use crate::link::{Link, LinkError, all_or_none, supervise};
use crate::metrics::Metrics;
use crate::settle::Settler;
use crate::{topology, wire};

/// The broker counts prefetch in 16 bits.
const PREFETCH_MAX: usize = 2_000;
/// Messages of a dead-letter queue taken at a time.
const DEAD_BATCH_MAX: usize = 20;

/// Everything the consumers share.
pub(crate) struct Consumers {
    pub(crate) config: Arc<MessagingConfig>,
    pub(crate) database: Database,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) service: String,
    pub(crate) subscriptions: Vec<Subscription>,
}

/// What was delivered, readable or not.
enum Arrival {
    Readable(Delivery),
    Unreadable(Raw, Fault),
}

impl Consumers {
    /// Runs until the token is cancelled; the batches in hand are finished first.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        if self.subscriptions.is_empty() {
            let _up = self.health.consumer();
            return stop.cancelled().await;
        }
        supervise("consumer", stop, || self.unit(stop)).await;
    }

    async fn unit(&self, stop: &CancellationToken) -> Result<(), LinkError> {
        let name = format!("{} consumer", self.service);
        let link = Link::connect(&self.config, &name).await?;
        let ended = link.until_lost(stop, |stop| self.serve(&link, stop)).await;
        link.close().await;
        ended
    }

    async fn serve(&self, link: &Link, stop: CancellationToken) -> Result<(), LinkError> {
        let channel = link.channel().await?;
        topology::declare_exchanges(&channel, &self.config).await?;
        let mut workers = Vec::new();
        for subscription in &self.subscriptions {
            let bindings = &subscription.bindings;
            topology::declare_queue(&channel, &self.config, subscription.queue, bindings).await?;
            for _ in 0..self.config.consumer_workers {
                let worker = Worker::start(self, link, subscription).await?;
                workers.push(worker.work(&stop).boxed());
            }
            let intake = Worker::start_dead(self, link, subscription).await?;
            workers.push(intake.take_in(&stop).boxed());
        }
        let _up = self.health.consumer();
        all_or_none(workers, &stop).await
    }
}

/// One consumer on a channel of its own, so that delivery tags follow its batches.
struct Worker {
    queue: &'static str,
    batch_max: usize,
    channel: Channel,
    consumer: Consumer,
    settler: Settler,
    pace: Pace,
}

impl Worker {
    async fn start(
        consumers: &Consumers,
        link: &Link,
        subscription: &Subscription,
    ) -> Result<Self, LinkError> {
        let broker_queue = consumers.config.name(subscription.queue);
        Self::open(consumers, link, subscription, &broker_queue).await
    }

    async fn start_dead(
        consumers: &Consumers,
        link: &Link,
        subscription: &Subscription,
    ) -> Result<Self, LinkError> {
        let broker_queue = topology::dead(&consumers.config.name(subscription.queue));
        let worker = Self::open(consumers, link, subscription, &broker_queue).await?;
        Ok(Self {
            batch_max: DEAD_BATCH_MAX,
            ..worker
        })
    }

    async fn open(
        consumers: &Consumers,
        link: &Link,
        subscription: &Subscription,
        broker_queue: &str,
    ) -> Result<Self, LinkError> {
        let channel = link.channel().await?;
        let batch_max = subscription.batch_max.clamp(1, PREFETCH_MAX / 2);
        // Twice the batch: while one is handled the next is already here.
        let prefetch = u16::try_from(batch_max * 2).unwrap_or(u16::MAX);
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        let consumer = channel
            .basic_consume(
                broker_queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(Self {
            queue: subscription.queue,
            batch_max,
            channel,
            consumer,
            settler: Settler::new(
                &consumers.config,
                &consumers.database,
                &consumers.metrics,
                subscription,
            ),
            pace: consumers.config.pace(),
        })
    }

    async fn work(mut self, stop: &CancellationToken) -> Result<(), LinkError> {
        while let Some((tag, batch)) = self.gather(stop).await? {
            self.settler
                .metrics()
                .count_consumed(self.queue, batch.len());
            let mut deliveries = Vec::with_capacity(batch.len());
            let mut seen = HashSet::with_capacity(batch.len());
            for arrival in batch.into_iter().map(|each| self.read(each)) {
                match arrival {
                    // The same message twice in a batch is handled once and acknowledged twice.
                    Arrival::Readable(delivery) => {
                        if seen.insert(delivery.message.id) {
                            deliveries.push(delivery);
                        }
                    }
                    Arrival::Unreadable(raw, fault) => {
                        if !self.settler.park(&raw, &fault, 0, stop).await {
                            return Ok(());
                        }
                    }
                }
            }
            self.pace
                .met(matters(deliveries.iter().map(|each| &each.message)));
            if !self.settler.settle(&deliveries, stop).await {
                return Ok(());
            }
            tradepost_crash::point("consumer.before_ack");
            self.acknowledge(tag).await?;
        }
        Ok(())
    }

    /// The dead-letter queue's reader: what the broker gave up is parked as it is.
    async fn take_in(mut self, stop: &CancellationToken) -> Result<(), LinkError> {
        while let Some((tag, batch)) = self.gather(stop).await? {
            for delivery in batch {
                let headers = wire::flatten(&delivery.properties);
                let cause = headers.get("x-first-death-reason").cloned();
                let raw = self.raw(delivery);
                let fault = Fault::new(
                    "dead_lettered",
                    cause.as_deref().unwrap_or("the broker gave it up"),
                );
                if !self.settler.park(&raw, &fault, 0, stop).await {
                    return Ok(());
                }
            }
            self.acknowledge(tag).await?;
        }
        Ok(())
    }

    /// Waits for one delivery, then takes what else is there. `None`: told to stop.
    async fn gather(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<Option<(u64, Vec<lapin::message::Delivery>)>, LinkError> {
        let Some(first) = stop.run_until_cancelled(self.consumer.next()).await else {
            return Ok(None);
        };
        let first = first.ok_or(LinkError::Lost)??;
        self.pace.keep().await;
        // Lets the connection's reader hand over what arrived in the same packet.
        tokio::task::yield_now().await;
        let mut tag = first.delivery_tag;
        let mut batch = vec![first];
        while batch.len() < self.batch_max {
            match self.consumer.next().now_or_never() {
                Some(Some(next)) => {
                    let next = next?;
                    tag = next.delivery_tag;
                    batch.push(next);
                }
                Some(None) => return Err(LinkError::Lost),
                None => break,
            }
        }
        Ok(Some((tag, batch)))
    }

    /// Everything up to the tag: this worker handles its deliveries strictly in order.
    async fn acknowledge(&self, tag: u64) -> Result<(), LinkError> {
        let options = BasicAckOptions { multiple: true };
        Ok(self.channel.basic_ack(tag, options).await?)
    }

    fn raw(&self, delivery: lapin::message::Delivery) -> Raw {
        Raw {
            queue: self.queue.to_owned(),
            headers: wire::flatten(&delivery.properties),
            body: Bytes::from(delivery.data),
        }
    }

    fn read(&self, delivery: lapin::message::Delivery) -> Arrival {
        let redelivered = delivery.redelivered;
        let raw = self.raw(delivery);
        match wire::parse(&raw.headers, raw.body.clone()) {
            Ok(message) => Arrival::Readable(Delivery {
                message,
                queue: self.queue.to_owned(),
                attempt: 1,
                redelivered,
            }),
            Err(error) => {
                let fault = Fault::new("undecodable", &error.to_string());
                Arrival::Unreadable(raw, fault)
            }
        }
    }
}
