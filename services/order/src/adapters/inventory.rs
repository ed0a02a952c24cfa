//! The catalogue over gRPC, with a small cache.
//!
//! A price may be up to `price_cache_ttl_ms` old: the price at acceptance is a snapshot anyway,
//! and stock is never read from here. Unknown items are not cached, so that a new item can be
//! ordered at once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::inventory::v1::inventory_service_client::InventoryServiceClient;
use tradepost_proto::inventory::v1::{BatchGetItemsRequest, Item};
use tradepost_service::auth::{Grant, Identity};
use tradepost_service::client::CallContext;
use tradepost_types::{Sku, TenantId};

use crate::domain::CatalogueItem;
use crate::ports::{Catalogue, CatalogueUnavailable};

/// The service that is asked, by its name.
const INVENTORY: &str = "inventory";
/// What the order service needs there, and all that it is believed.
const RIGHTS: [&str; 1] = ["items:read"];

/// What the cache may cost.
#[derive(Debug, Clone, Copy)]
pub struct CacheLimits {
    /// How old an entry may get; zero switches the cache off.
    pub ttl: Duration,
    /// How many entries there may be.
    pub items_max: usize,
}

/// The catalogue of the inventory service.
#[derive(Clone)]
pub struct InventoryCatalogue {
    channel: Channel,
    identity: Identity,
    deadline: Duration,
    limits: CacheLimits,
    cache: Arc<Mutex<Cache>>,
}

/// Items, and since when they are known.
type Cache = HashMap<(TenantId, Sku), (Instant, CatalogueItem)>;

impl InventoryCatalogue {
    /// Asks over `channel` as `identity`, waiting no longer than `deadline`.
    #[must_use]
    pub fn new(
        channel: Channel,
        identity: Identity,
        deadline: Duration,
        limits: CacheLimits,
    ) -> Self {
        Self {
            channel,
            identity,
            deadline,
            limits,
            cache: Arc::default(),
        }
    }

    fn client(
        &self,
        tenant: TenantId,
    ) -> InventoryServiceClient<InterceptedService<Channel, CallContext>> {
        let grant = Grant::of_service(INVENTORY, self.identity.issuer(), tenant, &RIGHTS);
        let context = CallContext::new(&self.identity, grant).deadline(self.deadline);
        InventoryServiceClient::with_interceptor(self.channel.clone(), context)
    }

    fn cached(&self, tenant: TenantId, skus: &HashSet<Sku>) -> HashMap<Sku, CatalogueItem> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |sku: &Sku| {
            let (since, item) = cache.get(&(tenant, sku.clone()))?;
            (since.elapsed() < self.limits.ttl).then(|| (sku.clone(), item.clone()))
        };
        skus.iter().filter_map(fresh).collect()
    }

    fn remember(&self, tenant: TenantId, items: &HashMap<Sku, CatalogueItem>) {
        if self.limits.ttl.is_zero() {
            return;
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() + items.len() > self.limits.items_max {
            cache.retain(|_, (since, _)| since.elapsed() < self.limits.ttl);
        }
        let room = self.limits.items_max.saturating_sub(cache.len());
        let now = Instant::now();
        for (sku, item) in items.iter().take(room) {
            cache.insert((tenant, sku.clone()), (now, item.clone()));
        }
    }
}

#[async_trait]
impl Catalogue for InventoryCatalogue {
    async fn items(
        &self,
        tenant: TenantId,
        skus: &HashSet<Sku>,
    ) -> Result<HashMap<Sku, CatalogueItem>, CatalogueUnavailable> {
        let mut items = self.cached(tenant, skus);
        let missing: Vec<String> = skus
            .iter()
            .filter(|sku| !items.contains_key(*sku))
            .map(ToString::to_string)
            .collect();
        if missing.is_empty() {
            return Ok(items);
        }
        let request = BatchGetItemsRequest { skus: missing };
        // The deadline holds here too, for a server that never answers.
        let mut client = self.client(tenant);
        let call = client.batch_get_items(request);
        let answer = tokio::time::timeout(self.deadline, call)
            .await
            .map_err(|elapsed| CatalogueUnavailable(elapsed.into()))?
            .map_err(|status| CatalogueUnavailable(status.into()))?;
        let answered = answer.into_inner().items.into_iter().map(parse);
        let found: HashMap<_, _> = answered.collect::<Result<_, _>>()?;
        self.remember(tenant, &found);
        items.extend(found);
        Ok(items)
    }
}

fn parse(item: Item) -> Result<(Sku, CatalogueItem), CatalogueUnavailable> {
    let sku = item
        .sku
        .parse()
        .map_err(|error: tradepost_types::SkuError| CatalogueUnavailable(error.into()))?;
    let price = money_from_proto(item.price.as_ref())
        .map_err(|error| CatalogueUnavailable(error.into()))?;
    let item = CatalogueItem {
        name: item.name,
        price,
        weight_grams: item.weight_grams,
        active: item.active,
    };
    Ok((sku, item))
}
