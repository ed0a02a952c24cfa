//! Whatever comes, in whatever order, late and twice.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Input {
    Label,
    Refuse,
    Void,
    Attempt,
    Cancelled,
    CancelRefused,
    Report(Update),
}

fn input() -> impl Strategy<Value = Input> {
    let report = (0..State::ALL.len(), 0_i64..30);
    prop_oneof![
        2 => Just(Input::Label),
        1 => Just(Input::Refuse),
        1 => Just(Input::Void),
        1 => Just(Input::Attempt),
        1 => Just(Input::Cancelled),
        1 => Just(Input::CancelRefused),
        9 => report.prop_map(|(state, minutes)| Input::Report(scan(State::ALL[state], minutes))),
    ]
}

fn give(shipment: &mut Shipment, input: Input) -> Vec<News> {
    match input {
        Input::Label => shipment.label(details()).into_iter().collect(),
        Input::Refuse => shipment
            .refuse(Refusal::ParcelRefused)
            .into_iter()
            .collect(),
        Input::Void => shipment.void().into_iter().collect(),
        Input::Attempt => {
            shipment.attempt();
            Vec::new()
        }
        Input::Cancelled => shipment.cancelled().into_iter().collect(),
        Input::CancelRefused => shipment.cancel_refused().into_iter().collect(),
        Input::Report(update) => match shipment.report(update) {
            Verdict::Moved(news) => news,
            Verdict::Noted | Verdict::Known | Verdict::Illegal => Vec::new(),
        },
    }
}

/// Voyages as they truly happen, each a minute after the one before.
fn voyage() -> impl Strategy<Value = Vec<Update>> {
    use State as S;
    let ends = prop_oneof![Just(S::Delivered), Just(S::ReturnedToSender), Just(S::Lost)];
    let retries = prop::collection::vec(Just([S::Exception, S::OutForDelivery]), 0..3);
    (retries, ends).prop_map(|(retries, end)| {
        let mut states = vec![S::HandedOver, S::InTransit, S::OutForDelivery];
        states.extend(retries.into_iter().flatten());
        states.push(end);
        (1..)
            .zip(states)
            .map(|(at, state)| scan(state, at))
            .collect()
    })
}

/// A voyage with the order in which its reports arrive, some of them more than once.
fn arrivals() -> impl Strategy<Value = (Vec<Update>, Vec<Update>)> {
    voyage().prop_flat_map(|voyage| {
        let twice: Vec<Update> = voyage.iter().chain(&voyage).cloned().collect();
        (Just(voyage), Just(twice).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn whatever_comes_a_parcel_is_handed_over_or_voided_and_ends_at_most_once(
        inputs in prop::collection::vec(input(), 0..60),
    ) {
        let mut shipment = planned();
        let (mut hand_overs, mut voids, mut ends, mut bookings) = (0, 0, 0, 0);
        for input in inputs {
            for news in give(&mut shipment, input) {
                match news {
                    News::HandedOver { .. } => hand_overs += 1,
                    News::Voided => voids += 1,
                    News::Delivered { .. } | News::Returned | News::Lost => ends += 1,
                    News::Booked { .. } | News::BookingFailed { .. } => bookings += 1,
                    News::Exception { .. } | News::VoidRefused => {}
                }
            }
            prop_assert!(hand_overs <= 1 && ends <= hand_overs && bookings <= 1);
            prop_assert!(hand_overs == 0 || voids == 0);
            prop_assert_eq!(shipment.state.is_handed_over(), hand_overs == 1);
            prop_assert!(shipment.errand.is_none() || !shipment.state.is_handed_over());
            prop_assert!(shipment.state != State::Planned || shipment.errand.is_some());
            prop_assert!(shipment.tracking.len() <= TRACKING_MAX);
        }
    }

    #[test]
    fn e04_reports_in_any_order_and_twice_lead_where_the_voyage_led(
        (voyage, arrivals) in arrivals(),
    ) {
        let mut shipment = booked();
        let mut told = Vec::new();
        let mut pending = arrivals;
        // What came too early is refused, and its sender comes again.
        while !pending.is_empty() {
            let before = pending.len();
            pending.retain(|update| match shipment.report(update.clone()) {
                Verdict::Moved(news) => {
                    told.extend(news);
                    false
                }
                Verdict::Noted | Verdict::Known => false,
                Verdict::Illegal => true,
            });
            prop_assert!(pending.len() < before);
        }

        let ends = told
            .iter()
            .filter(|news| matches!(news, News::Delivered { .. } | News::Returned | News::Lost));
        let hand_overs = told.iter().filter(|news| matches!(news, News::HandedOver { .. }));
        prop_assert_eq!((hand_overs.count(), ends.count()), (1, 1));
        prop_assert_eq!(Some(shipment.state), voyage.last().map(|update| update.state));
        prop_assert_eq!(shipment.tracking.len(), voyage.len());
    }
}
