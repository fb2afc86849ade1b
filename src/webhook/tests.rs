//! One webhook with a virtual clock.

use super::*;

fn entered(number: usize, state: State) -> Input {
    let occasion = Occasion::Instance { name: format!("VI_{number}"), state };
    Input::Occurred { occasion, time: "2026-01-01T00:00:00.000Z".to_owned() }
}

fn feed(outbox: &mut Outbox, now: Instant, input: Input) -> Vec<Action> {
    let mut out = Vec::new();
    outbox.handle(now, input, &mut out);
    out
}

/// The names of a delivery, and what it says was left out.
fn sent(actions: &[Action]) -> Option<(Vec<String>, u64)> {
    actions.iter().find_map(|action| match action {
        Action::Send(delivery) => {
            let name = |told: &Told| match &told.what {
                What::VrrpInstance { name, .. } => name.clone(),
                other => panic!("{other:?}"),
            };
            Some((delivery.events.iter().map(name).collect(), delivery.dropped))
        }
        Action::Report(_) => None,
    })
}

#[test]
fn the_first_goes_at_once_and_what_happens_meanwhile_together_in_order() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    assert_eq!(sent(&feed(&mut outbox, now, entered(1, State::Master))).unwrap().0, ["VI_1"]);
    for number in 2..=BATCH + 3 {
        assert_eq!(feed(&mut outbox, now, entered(number, State::Master)), []);
    }
    let next = sent(&feed(&mut outbox, now, Input::Tried(Ok(())))).unwrap().0;
    assert_eq!((next.len(), next.first().unwrap().as_str()), (BATCH, "VI_2"));
    let last = sent(&feed(&mut outbox, now, Input::Tried(Ok(())))).unwrap().0;
    assert_eq!(last, [format!("VI_{}", BATCH + 2), format!("VI_{}", BATCH + 3)]);
    assert_eq!(feed(&mut outbox, now, Input::Tried(Ok(()))), []);
    assert!(outbox.is_idle());
    assert_eq!(outbox.next_timer(), None);
}

#[test]
fn a_try_in_vain_is_made_again_after_pauses_that_grow_and_is_told_once() {
    let (mut outbox, mut now) = (Outbox::default(), Instant::now());
    feed(&mut outbox, now, entered(1, State::Master));
    let mut pauses = Vec::new();
    for turn in 0..9 {
        let told = feed(&mut outbox, now, Input::Tried(Err("it answers 503".to_owned())));
        assert_eq!(told.len(), usize::from(turn == 0), "{told:?}");
        let (at, Timer::Send) = outbox.next_timer().unwrap();
        pauses.push((at - now).as_secs());
        // What happens meanwhile waits as well.
        assert_eq!(feed(&mut outbox, now, entered(turn + 2, State::Backup)), []);
        assert_eq!(feed(&mut outbox, at - Duration::from_millis(1), Input::Timer), []);
        now = at;
        assert_eq!(sent(&feed(&mut outbox, now, Input::Timer)).unwrap().0.len(), turn + 2);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let works = feed(&mut outbox, now, Input::Tried(Ok(())));
    assert_eq!(works, [Action::Report(Event::Works { tries: 9 })]);
    // Another reason is told, too; a new fault begins with the shortest pause.
    feed(&mut outbox, now, entered(99, State::Master));
    assert_eq!(feed(&mut outbox, now, Input::Tried(Err("no".to_owned()))).len(), 1);
    assert_eq!(outbox.next_timer().unwrap().0 - now, RETRY);
    let at = now + RETRY;
    feed(&mut outbox, at, Input::Timer);
    let fails = Event::Fails { why: "something else".to_owned(), waiting: 1 };
    let told = feed(&mut outbox, at, Input::Tried(Err("something else".to_owned())));
    assert_eq!(told, [Action::Report(fails)]);
}

#[test]
fn what_waits_is_bounded_in_number_and_age_and_the_rest_is_counted() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    feed(&mut outbox, now, entered(0, State::Master));
    for number in 1..MOST + 50 {
        feed(&mut outbox, now, entered(number, State::Master));
    }
    assert_eq!(outbox.snapshot().waiting, MOST);
    feed(&mut outbox, now, Input::Tried(Err("no".to_owned())));
    let (names, dropped) = sent(&feed(&mut outbox, now + RETRY, Input::Timer)).unwrap();
    assert_eq!((names.first().unwrap().as_str(), dropped), ("VI_50", 50));
    // It comes back with what it has counted; then all are too old but the last.
    feed(&mut outbox, now + RETRY, Input::Tried(Err("no".to_owned())));
    let later = now + KEEP + Duration::from_secs(1);
    let (names, dropped) = sent(&feed(&mut outbox, later, entered(7777, State::Fault))).unwrap();
    assert_eq!((names, dropped), (vec!["VI_7777".to_owned()], u64::try_from(MOST + 50).unwrap()));
}

#[test]
fn events_that_go_while_they_are_under_way_are_counted_once() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    for number in 0..MOST {
        feed(&mut outbox, now, entered(number, State::Master));
    }
    // The first is under way and makes room.
    feed(&mut outbox, now, entered(MOST, State::Master));
    let (names, dropped) = sent(&feed(&mut outbox, now, Input::Tried(Ok(())))).unwrap();
    assert_eq!((names.first().unwrap().as_str(), dropped), ("VI_1", 0), "it was delivered");
}

#[test]
fn a_stop_delivers_what_waits_once_more_and_says_what_is_left() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    feed(&mut outbox, now, entered(1, State::Master));
    feed(&mut outbox, now, Input::Tried(Err("no".to_owned())));
    assert!(sent(&feed(&mut outbox, now, Input::Stop)).is_some(), "without the pause");
    assert!(!outbox.is_idle());
    let left = feed(&mut outbox, now, Input::Tried(Err("no".to_owned())));
    assert_eq!(left, [Action::Report(Event::Left { left: 1 })]);
    assert!(outbox.is_idle());
    assert_eq!(outbox.next_timer(), None);
}

#[test]
fn the_document() {
    let mut outbox = Outbox::default();
    let now = Instant::now();
    feed(&mut outbox, now, Input::Configure { node: "lvs01".to_owned() });
    let server = |decides| Occasion::Server {
        service: "[10.0.0.9]:tcp:80".to_owned(),
        server: "[10.0.1.1]:tcp:80".to_owned(),
        up: false,
        cause: Cause::Check { check: "TCP_CHECK".into(), session: None, decides },
    };
    let time = || "2026-01-01T00:00:00.000Z".to_owned();
    assert_eq!(feed(&mut outbox, now, Input::Occurred { occasion: server(false), time: time() }), []);
    let actions = feed(&mut outbox, now, Input::Occurred { occasion: server(true), time: time() });
    let [Action::Send(delivery)] = actions.as_slice() else { panic!("{actions:?}") };
    let expected = serde_json::json!({
        "version": 1,
        "node": "lvs01",
        "dropped": 0,
        "events": [{
            "time": "2026-01-01T00:00:00.000Z",
            "kind": "real_server",
            "virtual_server": "[10.0.0.9]:tcp:80",
            "real_server": "[10.0.1.1]:tcp:80",
            "state": "DOWN",
            "cause": "TCP_CHECK",
            "text": "Realserver [10.0.1.1]:tcp:80 of virtual server [10.0.0.9]:tcp:80 - DOWN"
        }]
    });
    assert_eq!(serde_json::to_value(delivery).unwrap(), expected);
    let service = "[10.0.0.9]:tcp:80".to_owned();
    let others = [
        Occasion::Group { name: "G".to_owned(), state: State::Fault },
        Occasion::Quorum { service, up: true, how: String::new() },
    ];
    let told = others.map(|one| serde_json::to_value(Told::of(one, time()).unwrap().what).unwrap());
    assert_eq!(told[0], serde_json::json!({"kind": "vrrp_sync_group", "name": "G", "state": "FAULT"}));
    let quorum =
        serde_json::json!({"kind": "virtual_server", "virtual_server": "[10.0.0.9]:tcp:80", "state": "UP"});
    assert_eq!(told[1], quorum);
}
