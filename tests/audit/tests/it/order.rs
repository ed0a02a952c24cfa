//! Orders as the services leave them behind, each at the end of its way.

use serde_json::{Value, json};
use tradepost_audit::Service;
use tradepost_types::{MessageId, OrderId, PaymentId, ReservationId, ShipmentId};

use crate::shop::Shop;

/// How far an order came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Delivered,
    Confirmed,
    Rejected,
    Cancelled,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [
        Self::Delivered,
        Self::Confirmed,
        Self::Rejected,
        Self::Cancelled,
    ];

    const fn state(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    fn phase(self) -> Value {
        match self {
            Self::Rejected => json!({"name": "rejected", "reason": "OUT_OF_STOCK"}),
            Self::Delivered | Self::Confirmed | Self::Cancelled => json!({"name": self.state()}),
        }
    }

    const fn is_asked_further(self) -> bool {
        !matches!(self, Self::Rejected)
    }
}

/// An order and the ids of what it asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sold {
    pub(crate) order: OrderId,
    pub(crate) payment: PaymentId,
    pub(crate) reservation: ReservationId,
    pub(crate) shipment: ShipmentId,
}

impl Sold {
    fn new() -> Self {
        let order = OrderId::new();
        Self {
            order,
            payment: PaymentId::derive(order.as_uuid(), "payment/1"),
            reservation: ReservationId::derive(order.as_uuid(), "reservation/1"),
            shipment: ShipmentId::derive(order.as_uuid(), "shipment/1"),
        }
    }
}

/// Two lines of one SKU and one of another: 3 + 2 cups at 250 and 4 hearts at 100.
const TOTAL: i64 = 1_650;

impl Shop {
    pub(crate) async fn sell(&mut self, way: Way) -> Sold {
        let sold = Sold::new();
        self.run(Service::Order, &self.order_rows(sold, way)).await;
        self.run(Service::Metrics, &self.counted_rows(way)).await;
        self.run(Service::Inventory, &self.stock_rows(sold, way))
            .await;
        if way.is_asked_further() {
            self.run(Service::Payment, &self.payment_rows(sold, way))
                .await;
            self.run(Service::Shipping, &self.shipment_rows(sold, way))
                .await;
            self.charge(sold, way);
        }
        sold
    }

    fn order_rows(&self, sold: Sold, way: Way) -> String {
        let (tenant, order) = (self.tenant.as_uuid(), sold.order.as_uuid());
        let further = way.is_asked_further();
        let asked = |payment: bool, shipment: bool| {
            json!({"reservations": 1, "payment": payment, "shipment": shipment,
                   "late_void": false})
        };
        let placed = json!({"phase": {"name": "reserving"}, "asked": asked(false, false)});
        let saga = json!({"phase": way.phase(), "asked": asked(further, further)});
        let address = json!({"city": "Ely", "lines": ["1 High Street"]});
        let details = json!({
            "customer_ref": "c-1", "currency": "GBP", "total_minor": TOTAL, "weight_grams": 90,
            "line_count": 3, "unit_count": 9, "payment_method": "pm_card_visa",
            "address": address, "traceparent": null, "saga_version": 1,
        });
        let first = json!({"saga": placed, "placed": details});
        let last = json!({"saga": saga});
        let (state, message) = (way.state(), MessageId::new());
        let reason = match way {
            Way::Rejected => "'OUT_OF_STOCK'",
            Way::Delivered | Way::Confirmed | Way::Cancelled => "null",
        };
        let timer = match way {
            Way::Confirmed => "now() + interval '30 days'",
            Way::Delivered | Way::Rejected | Way::Cancelled => "null",
        };
        format!(
            "insert into orders (tenant_id, order_id, customer_ref, currency, total_minor,
                 weight_grams, line_count, unit_count, payment_method, shipping_address,
                 saga_version, state, saga, reject_reason, version, deadline_at, created_at,
                 updated_at)
             values ('{tenant}', '{order}', 'c-1', 'GBP', {TOTAL}, 90, 3, 9, 'pm_card_visa',
                 '{address}', 1, '{state}', '{saga}', {reason}, 2, {timer}, now(), now());
             insert into order_lines (tenant_id, order_id, line_number, sku, name, quantity,
                 unit_price_minor, agreed_price)
             values ('{tenant}', '{order}', 1, 'CUP', 'x', 3, 250, false),
                    ('{tenant}', '{order}', 2, 'white hanging heart', 'x', 4, 100, true),
                    ('{tenant}', '{order}', 3, 'CUP', 'x', 2, 250, false);
             insert into order_events (tenant_id, order_id, version, type, state, description,
                 data, cause, trace_id, created_at)
             values ('{tenant}', '{order}', 1, 'placed', 'reserving', 'x', '{first}',
                     'request:{order}', '', now()),
                    ('{tenant}', '{order}', 2, '{state}', '{state}', 'x', '{last}',
                     '{message}', '', now());
             insert into messaging.inbox (consumer, message_id, tenant_id)
             values ('order.replies', '{handled}', '{tenant}');
             insert into platform.idempotency_keys (tenant_id, operation, request_id, fingerprint,
                 response)
             values ('{tenant}', 'PlaceOrder', '{order}', decode(repeat('00', 32), 'hex'),
                     uuid_send('{order}'))",
            handled = message.as_uuid(),
        )
    }

    /// Nine units for 16.50, as the metrics service counts them.
    fn counted_rows(&self, way: Way) -> String {
        let tenant = self.tenant.as_uuid();
        let counted: &[(i16, &str, i64)] = match way {
            Way::Delivered | Way::Cancelled => {
                &[(1, "order.placed", 9), (2, "order.placed.gbp", TOTAL)]
            }
            Way::Confirmed => &[
                (1, "order.placed", 9),
                (2, "order.placed.gbp", TOTAL),
                (3, "order.confirmed", 70),
                (4, "order.confirmed.units", 9),
                (5, "order.confirmed.gbp", TOTAL),
            ],
            Way::Rejected => &[
                (1, "order.placed", 9),
                (2, "order.placed.gbp", TOTAL),
                (6, "order.rejected", 30),
                (7, "order.rejected.out_of_stock", 30),
            ],
        };
        let mut rows = String::new();
        for (type_id, name, value) in counted {
            rows.push_str(&format!(
                "insert into event_types (tenant_id, type_id, name)
                 values ('{tenant}', {type_id}, '{name}') on conflict do nothing;
                 insert into rollup_days as d (tenant_id, start_time, type_id, n, sum,
                     sum_of_squares, min, max, users, sketch)
                 values ('{tenant}', '2026-01-02 00:00Z', {type_id}, 1, {value}, 0, 0, 0, '', '')
                 on conflict on constraint rollup_days_pk do update
                 set n = d.n + 1, sum = d.sum + excluded.sum;"
            ));
        }
        rows
    }

    fn stock_rows(&self, sold: Sold, way: Way) -> String {
        let (tenant, order) = (self.tenant.as_uuid(), sold.order.as_uuid());
        let reservation = sold.reservation.as_uuid();
        let (state, reason) = match way {
            Way::Delivered | Way::Confirmed => ("committed", "null"),
            Way::Rejected => ("rejected", "'OUT_OF_STOCK'"),
            Way::Cancelled => ("released", "null"),
        };
        let mut rows = format!(
            "insert into reservations (tenant_id, reservation_id, order_id, state, skus,
                 quantities, reject_reason)
             values ('{tenant}', '{reservation}', '{order}', '{state}',
                     '{{CUP,white hanging heart}}', '{{5,4}}', {reason});"
        );
        let moved: &[(&str, i64)] = match way {
            Way::Delivered | Way::Confirmed => &[("sold", -1)],
            Way::Rejected => &[],
            Way::Cancelled => &[("sold", -1), ("restocked", 1)],
        };
        for (kind, sign) in moved {
            rows.push_str(&format!(
                "update items i set on_hand = on_hand + {sign} * u.units
                 from (values ('CUP', 5), ('white hanging heart', 4)) as u (sku, units)
                 where u.sku = i.sku;
                 insert into stock_movements (tenant_id, movement_id, sku, kind, delta,
                     on_hand_after, reference)
                 select '{tenant}', gen_random_uuid(), i.sku, '{kind}', {sign} * u.units, i.on_hand,
                        '{reservation}'
                 from items i join (values ('CUP', 5), ('white hanging heart', 4))
                     as u (sku, units) on u.sku = i.sku;"
            ));
        }
        rows
    }

    fn payment_rows(&self, sold: Sold, way: Way) -> String {
        let (tenant, order) = (self.tenant.as_uuid(), sold.order.as_uuid());
        let payment = sold.payment.as_uuid();
        let (state, captured, entries): (_, _, &[&str]) = match way {
            Way::Delivered => ("captured", TOTAL, &["hold", "release", "capture"]),
            Way::Confirmed => ("authorized", 0, &["hold"]),
            Way::Rejected | Way::Cancelled => ("voided", 0, &["hold", "release"]),
        };
        let mut rows = format!(
            "insert into payments (tenant_id, payment_id, order_id, state, currency, amount,
                 captured)
             values ('{tenant}', '{payment}', '{order}', '{state}', 'GBP', {TOTAL}, {captured});"
        );
        for kind in entries {
            let (debit, credit) = match *kind {
                "hold" => ("authorizations_held", "authorizations_contra"),
                "release" => ("authorizations_contra", "authorizations_held"),
                _ => ("provider_receivable", "merchant_revenue"),
            };
            rows.push_str(&format!(
                "with entry as (
                     insert into journal_entries (tenant_id, entry_id, kind, payment_id)
                     values ('{tenant}', nextval('journal_entry_ids'), '{kind}', '{payment}')
                     returning tenant_id, entry_id)
                 insert into postings (tenant_id, entry_id, account, currency, amount)
                 select tenant_id, entry_id, account, 'GBP', amount
                 from entry, (values ('{debit}', {TOTAL}), ('{credit}', -{TOTAL}))
                     as p (account, amount);"
            ));
        }
        rows
    }

    fn shipment_rows(&self, sold: Sold, way: Way) -> String {
        let (tenant, order) = (self.tenant.as_uuid(), sold.order.as_uuid());
        let shipment = sold.shipment.as_uuid();
        let state = match way {
            Way::Delivered => "delivered",
            Way::Confirmed => "label_ready",
            Way::Rejected | Way::Cancelled => "voided",
        };
        format!(
            "insert into shipments (tenant_id, shipment_id, order_id, state, document)
             values ('{tenant}', '{shipment}', '{order}', '{state}', '{{}}')"
        )
    }

    fn charge(&mut self, sold: Sold, way: Way) {
        self.provider(sold, "create", "authorised", TOTAL);
        match way {
            Way::Delivered => self.provider(sold, "capture", "captured", TOTAL),
            Way::Rejected | Way::Cancelled => self.provider(sold, "cancel", "voided", TOTAL),
            Way::Confirmed => {}
        }
    }

    /// What the provider did for a payment.
    pub(crate) fn provider(&mut self, sold: Sold, op: &str, kind: &str, amount: i64) {
        self.log(
            op,
            &json!({
                "intent_id": format!("pi_{}", sold.order), "payment_id": sold.payment.to_string(),
                "order_id": sold.order.to_string(), "amount": amount,
                "moves": [{"kind": kind, "amount": amount}],
            }),
        );
    }

    /// A dispute of a delivered order, as the payment service and the provider tell it.
    pub(crate) async fn dispute(&mut self, sold: Sold, state: &str, units: i64, fee: i64) {
        let (tenant, payment) = (self.tenant.as_uuid(), sold.payment.as_uuid());
        let mut rows = format!(
            "update payments set disputes = disputes + 1 where payment_id = '{payment}';
             insert into disputes (tenant_id, dispute_id, payment_id, provider_reference, state,
                 reason, currency, amount, withdrawn, fee, told_at)
             values ('{tenant}', '{payment}', '{payment}', 'dp_1', '{state}', 'FRAUDULENT', 'GBP',
                 {units}, {units}, {fee}, now());"
        );
        let mut entries = vec![
            (
                "dispute_withdrawn",
                "disputes_withheld",
                "provider_receivable",
                units,
            ),
            ("dispute_fee", "dispute_fees", "provider_receivable", fee),
        ];
        if state == "lost" {
            entries.push(("dispute_lost", "dispute_losses", "disputes_withheld", units));
        }
        for (kind, debit, credit, amount) in entries {
            rows.push_str(&format!(
                "with entry as (
                     insert into journal_entries
                         (tenant_id, entry_id, kind, payment_id, dispute_id)
                     values ('{tenant}', nextval('journal_entry_ids'), '{kind}', '{payment}',
                         '{payment}')
                     returning tenant_id, entry_id)
                 insert into postings (tenant_id, entry_id, account, currency, amount)
                 select tenant_id, entry_id, account, 'GBP', amount
                 from entry, (values ('{debit}', {amount}), ('{credit}', -{amount}))
                     as p (account, amount);"
            ));
        }
        self.run(Service::Payment, &rows).await;
        self.provider(sold, "dispute", "dispute_withdrawn", units);
        self.provider(sold, "dispute", "dispute_fee", fee);
    }
}
