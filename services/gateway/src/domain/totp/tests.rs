use proptest::prelude::*;

use super::*;

/// The secret of RFC 6238, appendix B.
const RFC: [u8; 20] = *b"12345678901234567890";

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

#[test]
fn the_vectors_of_rfc_6238_hold() {
    // Appendix B has eight digits; six are the last of them.
    for (seconds, code) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ] {
        let secret = TotpSecret::new(RFC);
        assert_eq!(secret.code(at(seconds)), code);
        let step = secret.check(code, None, at(seconds));
        assert_eq!(step, Ok(Step(seconds / 30)), "{seconds}");
    }
}

#[test]
fn a_clock_may_be_one_step_off_and_no_more() {
    let secret = TotpSecret::new(RFC);
    let now = at(1_111_111_111);
    let check = |steps: i64| {
        let code = secret.code(now + Duration::seconds(30 * steps));
        secret.check(&code, None, now)
    };

    for steps in [-1, 0, 1] {
        assert_eq!(
            check(steps),
            Ok(Step(1_111_111_111 / 30 + steps)),
            "{steps}"
        );
    }
    for steps in [-3, -2, 2, 3] {
        assert_eq!(check(steps), Err(CodeFault::Wrong), "{steps}");
    }
}

#[test]
fn a_code_works_once_and_none_before_it_works_after_it() {
    let secret = TotpSecret::new(RFC);
    let now = at(1_111_111_111);
    let code = secret.code(now);
    let used = secret.check(&code, None, now).unwrap();

    assert_eq!(secret.check(&code, Some(used), now), Err(CodeFault::Used));
    let before = secret.code(now - Duration::seconds(30));
    assert_eq!(secret.check(&before, Some(used), now), Err(CodeFault::Used));
    let after = secret.code(now + Duration::seconds(30));
    assert!(secret.check(&after, Some(used), now).is_ok());
}

#[test]
fn what_is_not_six_digits_is_no_code() {
    let secret = TotpSecret::new(RFC);
    for text in [
        "",
        "28708",
        "2870820",
        " 287082",
        "+87082",
        "287 082",
        "٢٨٧٠٨٢",
        "0x1234",
    ] {
        assert_eq!(
            secret.check(text, None, at(59)),
            Err(CodeFault::Wrong),
            "{text}"
        );
    }
}

#[test]
fn an_authenticator_is_told_all_it_needs() {
    let secret = TotpSecret::new(RFC);

    assert_eq!(
        secret.otpauth_url("ada+shop@example.com").expose_secret(),
        "otpauth://totp/Tradepost:ada%2Bshop%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
         &issuer=Tradepost&algorithm=SHA1&digits=6&period=30"
    );
    assert!(!format!("{secret:?}").contains("GEZD"), "{secret:?}");
}

#[test]
fn a_recovery_code_is_read_as_people_type_it() {
    let code = RecoveryCode::new([0xff, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    let shown = code.render();
    let shown = shown.expose_secret();

    assert_eq!(shown, "zw01-28hk-8hap-cxw8");
    for typed in [
        shown.to_owned(),
        shown.to_uppercase(),
        shown.replace('-', " "),
        shown.replace('-', ""),
        shown.replace('0', "O").replace('1', "l"),
    ] {
        let read = RecoveryCode::parse(&typed).unwrap();
        assert_eq!(read.canonical(), code.canonical(), "{typed}");
    }
    for text in [
        "",
        "zw01",
        "zw01-28hk-8hap-cxwu",
        "zw01-28hk-8hap-cxw8-0",
        "ýw01-24h3-8hap-cxw8",
    ] {
        assert!(RecoveryCode::parse(text).is_none(), "{text}");
    }
}

#[test]
fn guessing_slows_down_but_never_stops_for_good() {
    let mut guesses = Guesses::default();
    let mut now = at(0);
    for _ in 0..4 {
        guesses = guesses.guess(now).unwrap();
        assert_eq!(guesses.paused_until, None);
    }
    let pauses = [30, 60, 120, 240, 480, 900, 900, 900];
    for pause in pauses {
        guesses = guesses.guess(now).unwrap();
        let pause = Duration::seconds(pause);
        assert_eq!(guesses.paused_until, Some(now + pause));
        assert_eq!(
            guesses.guess(now),
            Err(pause),
            "not even a right one is looked at"
        );
        now += pause;
    }
}

proptest! {
    #[test]
    fn every_recovery_code_is_read_as_it_was_shown(bytes: [u8; RECOVERY_CODE_BYTES]) {
        let code = RecoveryCode::new(bytes);
        let read = RecoveryCode::parse(code.render().expose_secret()).unwrap();
        prop_assert_eq!(read.canonical(), code.canonical());
    }

    #[test]
    fn any_number_of_guesses_is_counted(failures in 0_i32..) {
        let guesses = Guesses { failures, paused_until: None };
        let counted = guesses.guess(at(0)).unwrap();
        prop_assert!(counted.paused_until.is_none_or(|until| until <= at(900)));
    }
}
