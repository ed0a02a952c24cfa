//! The card provider's reports.

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::Full;
use tonic::Code;
use tradepost_proto::payment::v1::HandleProviderWebhookRequest;
use tradepost_service::error::Failure;

use crate::stage::Stage;

fn report(signatures: &[&str], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post("/v1/webhooks/payments").header("content-type", "text/odd");
    for signature in signatures {
        request = request.header("stripe-signature", *signature);
    }
    request.body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn a_report_is_handed_on_byte_for_byte() {
    let stage = Stage::new().await;
    let body = b"{ \"a\" : 1,\n\"a\":2} \xFF\0 trailing";

    let answer = stage.send(report(&["t=1,v1=ab"], &body[..])).await;

    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (204, 0));
    let taken: HandleProviderWebhookRequest = stage.fake.only();
    assert_eq!(taken.payload, body[..]);
    assert_eq!(taken.signature, "t=1,v1=ab");
}

#[tokio::test]
async fn a_report_has_one_signature() {
    let stage = Stage::new().await;

    for signatures in [&[][..], &["t=1,v1=ab", "t=1,v1=cd"]] {
        let answer = stage.send(report(signatures, "{}")).await;
        let header = ("header".to_owned(), "Stripe-Signature".to_owned());
        assert_eq!(
            answer.faults(),
            (401, "SIGNATURE_INVALID".to_owned(), vec![header])
        );
        assert_eq!(answer.header("www-authenticate"), Some("Stripe-Signature"));
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn what_the_payment_service_refuses_is_refused() {
    let stage = Stage::new().await;
    let failure = Failure::new(
        Code::Unauthenticated,
        "SIGNATURE_STALE",
        "payment.tradepost",
        "the signature is too old",
    );
    stage.fake.fail(failure);

    let answer = stage.send(report(&["t=1,v1=ab"], "{}")).await;

    assert_eq!(answer.faults(), (401, "SIGNATURE_STALE".to_owned(), vec![]));
}

#[tokio::test]
async fn a_report_may_be_as_large_as_the_limit_and_no_larger() {
    let stage = Stage::new().await;

    let taken = stage.send(report(&["s"], vec![b'x'; 64 * 1024])).await;
    let refused = stage.send(report(&["s"], vec![b'x'; 64 * 1024 + 1])).await;

    assert_eq!(taken.status, 204);
    assert_eq!(refused.faults(), (413, "BODY_TOO_LARGE".to_owned(), vec![]));
}
