//! What a client may not send: it is told the code, and the connection ends.

use tradepost_websocket::End;

use crate::support::{LIMITS, close, connected, frame, heard};

/// The server's close code for these bytes, and that both sides agree on it.
async fn refused(bytes: &[u8], code: u16) {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    client.send(bytes).await;

    assert_eq!(client.closed().await, Some(code), "{bytes:x?}");
    drop(client);
    let (_texts, end) = heard.await.unwrap();
    assert_eq!(end, End::Fault { code }, "{bytes:x?}");
    assert!(sender.is_closed());
}

#[tokio::test]
async fn reserved_bits_and_opcodes_are_refused() {
    for bit in [0x40, 0x20, 0x10] {
        refused(&frame(0x81 | bit, b"x"), 1002).await;
        refused(&frame(0x89 | bit, b""), 1002).await;
    }
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        refused(&frame(0x80 | opcode, b""), 1002).await;
    }
}

#[tokio::test]
async fn a_frame_without_a_mask_is_refused_before_its_payload() {
    refused(&[0x81, 0x05], 1002).await;
    refused(&[0x89, 0x00], 1002).await;
}

#[tokio::test]
async fn a_control_frame_is_short_and_whole() {
    // Each is a head that goes on; nobody waits for it.
    refused(&[0x89, 0x80 | 126], 1002).await;
    refused(&[0x88, 0x80 | 127], 1002).await;
    refused(&frame(0x09, b"x"), 1002).await;
    refused(&frame(0x08, b""), 1002).await;
    refused(&frame(0x0a, b""), 1002).await;
}

#[tokio::test]
async fn fragments_follow_each_other() {
    refused(&frame(0x80, b"of nothing"), 1002).await;
    refused(&frame(0x00, b"of nothing"), 1002).await;
    refused(&[frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002).await;
    refused(&[frame(0x01, b"a"), frame(0x01, b"b")].concat(), 1002).await;
}

#[tokio::test]
async fn binary_is_refused() {
    refused(&frame(0x82, b"x"), 1003).await;
    refused(&frame(0x02, b""), 1003).await;
}

#[tokio::test]
async fn a_length_has_to_be_the_shortest_form() {
    refused(&[0x81, 0x80 | 126, 0, 125, 0, 0, 0, 0], 1002).await;
    let long = [0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    refused(&long, 1002).await;
    let negative = [0x81, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    refused(&negative, 1002).await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_by_its_head() {
    // 1,025 bytes, and as many as there can be; none of them is sent.
    refused(&[0x81, 0x80 | 126, 4, 1, 0, 0, 0, 0], 1009).await;
    let lie = [
        0x81,
        0x80 | 127,
        0x7f,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ];
    refused(&lie, 1009).await;
}

#[tokio::test]
async fn fragments_together_are_bounded() {
    let mut bytes = frame(0x01, &[b'x'; 1000]);
    bytes.extend(frame(0x00, &[b'x'; 24]));
    bytes.extend(frame(0x80, b"x"));

    refused(&bytes, 1009).await;
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_is_refused() {
    for wrong in [
        &b"\xff"[..],
        b"fine \xc0\xaf",    // overlong
        b"\xed\xa0\x80",     // half of a surrogate pair
        b"\xf4\x90\x80\x80", // beyond the last character
        b"\xe2\x82",         // cut within a character
    ] {
        refused(&frame(0x81, wrong), 1007).await;
    }
}

#[tokio::test]
async fn a_text_that_cannot_become_utf_8_is_refused_before_its_end() {
    // The message goes on, and the second byte of a character is none already.
    refused(&[frame(0x01, b"\xe2"), frame(0x00, b"\x28")].concat(), 1007).await;
    // The frame goes on as well.
    let whole = frame(0x81, b"\xff and more");
    refused(&whole[..7], 1007).await;
}

#[tokio::test]
async fn close_codes_that_no_frame_may_carry_are_refused() {
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        refused(&close(code, b""), 1002).await;
    }
    refused(&frame(0x88, &[3]), 1002).await;
    refused(&close(1000, b"\xff"), 1007).await;
}

#[tokio::test]
async fn what_came_before_a_breach_is_heard() {
    let (mut client, _sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    let bytes = [frame(0x81, b"fine"), frame(0x83, b""), frame(0x81, b"late")].concat();
    client.send(&bytes).await;

    assert_eq!(client.closed().await, Some(1002));
    drop(client);
    let expected = (vec!["fine".into()], End::Fault { code: 1002 });
    assert_eq!(heard.await.unwrap(), expected);
}
