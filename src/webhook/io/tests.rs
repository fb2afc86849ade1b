//! Deliveries to real servers on the loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use super::*;
use crate::notify::State;

/// A request: its head, and the document.
type Heard = (String, serde_json::Value);

/// Answers each connection with the next of `answers`; none left: it closes without a word.
fn server(answers: Vec<&'static str>) -> (String, mpsc::Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/s3cret", listener.local_addr().unwrap());
    let (sender, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        for connection in listener.incoming() {
            let mut reader = BufReader::new(connection.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap() == 0 {
                    return;
                }
            }
            let length = head
                .to_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap()];
            reader.read_exact(&mut body).unwrap();
            let answer = answers.next().unwrap_or_default();
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            if sender.send((head, serde_json::from_slice(&body).unwrap())).is_err() {
                return;
            }
        }
    });
    (url, heard)
}

fn hooks(all: Vec<Webhook>) -> Webhooks {
    let mut hooks = Webhooks::default();
    let globals = Globals { router_id: Some("lvs01".to_owned()), webhooks: all, ..Globals::default() };
    hooks.configure(&globals);
    hooks
}

fn entered(name: &str) -> Occasion {
    Occasion::Instance { name: name.to_owned(), state: State::Master }
}

/// Until `count` tries have ended.
async fn tries(hooks: &mut Webhooks, count: usize) -> Vec<Result<(), String>> {
    let mut found = Vec::new();
    while found.len() < count {
        let due = hooks.next();
        tokio::select! {
            (hook, outcome) = hooks.tried() => {
                found.push(outcome.clone());
                hooks.take_in((hook, outcome));
            }
            () = until(due) => hooks.tick(),
        }
    }
    found
}

const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
const ELSEWHERE: &str = "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn an_event_is_delivered_and_one_that_is_not_taken_is_tried_again() {
    let (url, heard) = server(vec![BUSY, ELSEWHERE, TAKEN]);
    let mut hooks = hooks(vec![Webhook { url, token: None }]);
    hooks.tell(&entered("VI_1"));
    let ends = tries(&mut hooks, 3).await;
    assert_eq!(ends.get(2), Some(&Ok(())), "{ends:?}");
    assert_eq!(ends[0], Err("it answers 503 Service Unavailable".to_owned()));
    assert!(ends[1].as_ref().is_err_and(|why| why.contains("name that address")), "{ends:?}");
    for _ in 0..3 {
        let (head, document) = heard.recv().unwrap();
        assert!(head.starts_with("POST /hook/s3cret HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        assert_eq!(document["node"], "lvs01");
        assert_eq!(document["events"][0]["name"], "VI_1");
    }
    hooks.end().await;
}

#[tokio::test]
async fn the_token_is_the_first_line_of_its_file_and_is_read_at_each_try() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token").display().to_string();
    let (url, heard) = server(vec![TAKEN]);
    let mut hooks = hooks(vec![Webhook { url, token: Some(file.clone()) }]);
    hooks.tell(&entered("VI_1"));
    let ends = tries(&mut hooks, 1).await;
    assert!(ends[0].as_ref().is_err_and(|why| why.starts_with(&file)), "{ends:?}");
    // A pipe is not waited for, and a file without end is not read.
    nix::unistd::mkfifo(Path::new(&file), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let ends = tries(&mut hooks, 1).await;
    assert!(ends[0].as_ref().is_err_and(|why| why.contains("no regular file")), "{ends:?}");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "x".repeat(1 << 20)).unwrap();
    let ends = tries(&mut hooks, 1).await;
    assert!(ends[0].as_ref().is_err_and(|why| why.contains("no token")), "{ends:?}");
    std::fs::write(&file, "abc123\nmore\n").unwrap();
    assert_eq!(tries(&mut hooks, 1).await, [Ok(())]);
    let (head, _) = heard.recv().unwrap();
    assert!(head.to_lowercase().contains("authorization: bearer abc123\r\n"), "{head}");
}

#[tokio::test]
async fn who_does_not_answer_holds_up_nobody_and_a_stop_only_for_a_moment() {
    // It accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = format!("http://{}/", silent.local_addr().unwrap());
    let (url, heard) = server(vec![TAKEN, TAKEN]);
    let mut hooks = hooks(vec![Webhook { url: deaf, token: None }, Webhook { url, token: None }]);
    hooks.tell(&entered("VI_1"));
    assert_eq!(tries(&mut hooks, 1).await, [Ok(())]);
    hooks.tell(&entered("VI_2"));
    assert_eq!(tries(&mut hooks, 1).await, [Ok(())]);
    assert_eq!(heard.recv().unwrap().1["events"][0]["name"], "VI_1");
    assert_eq!(heard.recv().unwrap().1["events"][0]["name"], "VI_2");
    let before = Instant::now();
    hooks.end().await;
    assert!(before.elapsed() >= FAREWELL, "it waits for the one that is under way");
}

#[tokio::test]
async fn a_reload_keeps_what_waits_for_an_address_that_stays() {
    let (url, heard) = server(vec![BUSY, TAKEN]);
    let stays = Webhook { url, token: None };
    let goes = Webhook { url: "http://127.0.0.1:1/".to_owned(), token: None };
    let mut hooks = hooks(vec![goes, stays.clone()]);
    hooks.tell(&entered("VI_1"));
    tries(&mut hooks, 2).await;
    hooks.configure(&Globals { webhooks: vec![stays], ..Globals::default() });
    assert_eq!(hooks.all.len(), 1);
    // Whoever mended what was wrong does not wait for the next try.
    assert_eq!(tries(&mut hooks, 1).await, [Ok(())]);
    heard.recv().unwrap();
    assert_eq!(heard.recv().unwrap().1["events"][0]["name"], "VI_1");
}
