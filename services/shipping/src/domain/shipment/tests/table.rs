//! The whole table: every state, with and without an errand, against every input.

use super::*;

/// Where a shipment stands, with what the carrier is still asked: the rows.
fn rows() -> Vec<(String, Shipment)> {
    let mut rows = Vec::new();
    for state in State::ALL {
        let errands: &[Option<Ask>] = match state {
            State::Planned => &[Some(Ask::Book(parcel())), Some(Ask::Cancel)],
            State::LabelReady | State::Voided => &[None, Some(Ask::Cancel)],
            State::HandedOver
            | State::InTransit
            | State::OutForDelivery
            | State::Delivered
            | State::Exception
            | State::ReturnedToSender
            | State::Lost => &[None],
        };
        for ask in errands {
            let mut shipment = booked();
            shipment.state = state;
            shipment.errand = ask.clone().map(|ask| Errand { ask, attempts: 1 });
            rows.push((stand(&shipment), shipment));
        }
    }
    rows
}

fn stand(shipment: &Shipment) -> String {
    let errand = match &shipment.errand {
        None => "",
        Some(Errand {
            ask: Ask::Book(_), ..
        }) => "+book",
        Some(Errand {
            ask: Ask::Cancel, ..
        }) => "+cancel",
    };
    format!("{}{errand}", shipment.state.name())
}

fn words(news: &[News]) -> String {
    let word = |news: &News| match news {
        News::Booked { .. } => " booked",
        News::BookingFailed { .. } => " booking_failed",
        News::HandedOver { .. } => " handed_over",
        News::Delivered { .. } => " delivered",
        News::Exception { .. } => " exception",
        News::Returned => " returned",
        News::Lost => " lost",
        News::Voided => " voided",
        News::VoidRefused => " void_refused",
    };
    news.iter().map(word).collect()
}

/// What an input leads to: the new stand and the news, or `=` when nothing happens at all.
fn outcome(shipment: &Shipment, input: impl Fn(&mut Shipment) -> Vec<News>) -> String {
    let mut after = shipment.clone();
    let news = input(&mut after);
    if news.is_empty() && after == *shipment {
        return "=".to_owned();
    }
    format!("{}:{}", stand(&after), words(&news))
}

/// What each row comes to by label, refusal, void, cancellation, refused cancellation.
const ANSWERS: [(&str, [&str; 5]); 13] = [
    (
        "planned+book",
        [
            "label_ready: booked",
            "voided: booking_failed",
            "planned+cancel:",
            "=",
            "=",
        ],
    ),
    (
        "planned+cancel",
        [
            "label_ready+cancel: booked",
            "=",
            "=",
            "voided: voided",
            "=",
        ],
    ),
    ("label_ready", ["=", "=", "label_ready+cancel:", "=", "="]),
    (
        "label_ready+cancel",
        ["=", "=", "=", "voided: voided", "label_ready: void_refused"],
    ),
    (
        "handed_over",
        ["=", "=", "handed_over: void_refused", "=", "="],
    ),
    (
        "in_transit",
        ["=", "=", "in_transit: void_refused", "=", "="],
    ),
    (
        "out_for_delivery",
        ["=", "=", "out_for_delivery: void_refused", "=", "="],
    ),
    ("delivered", ["=", "=", "delivered: void_refused", "=", "="]),
    ("exception", ["=", "=", "exception: void_refused", "=", "="]),
    (
        "returned_to_sender",
        ["=", "=", "returned_to_sender: void_refused", "=", "="],
    ),
    ("lost", ["=", "=", "lost: void_refused", "=", "="]),
    (
        "voided",
        ["voided+cancel:", "=", "voided: voided", "=", "="],
    ),
    (
        "voided+cancel",
        ["=", "=", "voided+cancel: voided", "voided:", "voided:"],
    ),
];

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    let rows = rows();

    assert_eq!(rows.len(), ANSWERS.len());
    for ((stand, shipment), (name, expected)) in rows.iter().zip(ANSWERS) {
        let outcomes = [
            outcome(shipment, |s| s.label(details()).into_iter().collect()),
            outcome(shipment, |s| {
                s.refuse(Refusal::ParcelRefused).into_iter().collect()
            }),
            outcome(shipment, |s| s.void().into_iter().collect()),
            outcome(shipment, |s| s.cancelled().into_iter().collect()),
            outcome(shipment, |s| s.cancel_refused().into_iter().collect()),
        ];
        assert_eq!(
            (stand.as_str(), outcomes.each_ref().map(String::as_str)),
            (name, expected)
        );
    }
}

/// What each row comes to by a report of each state, in the order of `State::ALL`; `-` is illegal.
const UNDER_WAY: [&str; 10] = [
    "-",
    "-",
    "-",
    "in_transit:",
    "out_for_delivery:",
    "delivered: delivered",
    "exception: exception",
    "returned_to_sender: returned",
    "lost: lost",
    "-",
];
const NOWHERE: [&str; 10] = ["-"; 10];

fn reports(stand: &str) -> [&'static str; 10] {
    let without = |states: &[usize]| {
        let mut cells = UNDER_WAY;
        for &state in states {
            cells[state] = "-";
        }
        cells
    };
    match stand {
        "label_ready" => [
            "-",
            "-",
            "handed_over: handed_over",
            "in_transit: handed_over",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
        ],
        "label_ready+cancel" => [
            "-",
            "-",
            "handed_over: void_refused handed_over",
            "in_transit: void_refused handed_over",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
        ],
        "handed_over" => UNDER_WAY,
        "in_transit" => without(&[3]),
        "out_for_delivery" => without(&[3, 4]),
        "exception" => without(&[6]),
        "planned+book" | "planned+cancel" | "delivered" | "returned_to_sender" | "lost"
        | "voided" | "voided+cancel" => NOWHERE,
        other => panic!("{other} has no row"),
    }
}

#[test]
fn every_state_takes_every_report_as_the_table_says() {
    for (name, shipment) in rows() {
        for (state, expected) in State::ALL.into_iter().zip(reports(&name)) {
            let mut illegal = false;

            let mut after = shipment.clone();
            let news = match after.report(scan(state, 1)) {
                Verdict::Moved(news) => news,
                Verdict::Illegal => {
                    illegal = true;
                    Vec::new()
                }
                Verdict::Noted | Verdict::Known => panic!("{name} knew of {state:?}"),
            };

            let outcome = if illegal {
                assert_eq!(after, shipment);
                "-".to_owned()
            } else {
                format!("{}:{}", stand(&after), words(&news))
            };
            assert_eq!(outcome, expected, "{name} + {state:?}");
        }
    }
}
