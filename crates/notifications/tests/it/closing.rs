//! What the client does on each close code is what docs/websocket-protocol.md says.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tradepost_notifications::client::Ended;

use crate::server::{Server, end, follow};

/// Each code of the page, and whether a client comes back after it.
fn codes() -> Vec<(u16, bool)> {
    let page = include_str!("../../../../docs/websocket-protocol.md");
    let (_, section) = page.split_once("\n## Closing\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, codes, _, does, _] = cells[..] else {
            return None;
        };
        let codes: Result<Vec<u16>, _> = codes.split(", ").map(str::parse).collect();
        Some((codes.ok()?, !does.starts_with("does not come back")))
    });
    rows.flat_map(|(codes, returns)| codes.into_iter().map(move |code| (code, returns)))
        .collect()
}

#[test]
fn the_page_has_all_codes() {
    let codes = codes();

    assert_eq!(codes.len(), 16, "{codes:?}");
    let stay_away = codes.iter().filter(|(_, returns)| !returns);
    let stay_away: Vec<u16> = stay_away.map(|(code, _)| *code).collect();
    assert_eq!(stay_away, [4403, 4501, 4503]);
}

#[tokio::test]
async fn each_code_of_a_web_socket_is_followed() {
    for (code, returns) in codes() {
        let server = Server::start().await;
        let mut client = server.client();
        let frame = CloseFrame {
            code: code.into(),
            reason: "why".into(),
        };

        let script = async {
            let mut socket = server.asked_for_socket().await.upgrade().await;
            socket.close(Some(frame)).await.unwrap();
            if returns {
                // Over the same way: the server has spoken.
                for _ in 0..3 {
                    drop(server.asked_for_socket().await);
                }
            }
        };

        if returns {
            let ((), _, ended) = follow(&mut client, script).await;
            assert_eq!(ended, None, "{code}");
        } else {
            let (ended, ()) = tokio::join!(end(&mut client), script);
            assert_eq!(ended, Ended::Closed(code));
        }
    }
}

#[tokio::test]
async fn each_code_at_the_end_of_events_is_followed() {
    for (code, returns) in codes() {
        let server = Server::start().await;
        let mut client = server.client();

        let script = async {
            server
                .asked_for_socket()
                .await
                .refuse("426 Upgrade Required")
                .await;
            server
                .asked_for_events()
                .await
                .events()
                .await
                .close(code, 0)
                .await;
            if returns {
                drop(server.asked_for_events().await);
            }
        };

        if returns {
            let ((), _, ended) = follow(&mut client, script).await;
            assert_eq!(ended, None, "{code}");
        } else {
            let (ended, ()) = tokio::join!(end(&mut client), script);
            assert_eq!(ended, Ended::Closed(code));
        }
    }
}
