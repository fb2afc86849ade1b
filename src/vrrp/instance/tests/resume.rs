//! A restart in time.

use super::*;

/// What a master of this configuration leaves, and what a machine of `next` makes of it after `pause`.
fn restarted(config: Instance, next: Instance, pause: Duration) -> (Machine, Instant) {
    let (mut before, at) = master(config);
    assert_eq!(kinds(&feed(&mut before, at, Input::Leave)), ["advert 100"]);
    let Left { priority, sequence, announces, window, .. } = before.left().unwrap();
    let mut machine = Machine::new(next);
    machine.resume(Resume { priority, sequence, announces, until: at + window });
    (machine, at + pause)
}

#[test]
fn in_time_it_leads_on_without_a_transition() {
    let plain = config(100, Version::V2);
    let (mut machine, now) = restarted(plain.clone(), plain, SECOND * 2);
    assert!(machine.is_resuming());
    let actions = feed(&mut machine, now, link(true));
    assert_eq!(kinds(&actions), ["advert 100", "report", "hold true"]);
    assert!(actions.contains(&Action::Report(Event::Resumed { priority: 100 })));
    assert_eq!((machine.state(), machine.snapshot().why), (State::Master, Some(Why::Resumed)));
    assert_eq!(machine.next_timer(), Some((now + SECOND, Timer::Advert)));
    // The second burst of a new master was still to come.
    let second = now + machine.config().garp.master_delay;
    assert_eq!(machine.bursts.next(), Some(second));
    // A master of higher priority is obeyed as ever.
    assert_eq!(kinds(&hear(&mut machine, now, PEER, 200)), ["enter BACKUP", "hold false"]);
}

#[test]
fn too_late_it_starts_as_always() {
    let plain = config(100, Version::V2);
    let window = SECOND * 3 - Duration::from_millis(100);
    let (mut machine, now) = restarted(plain.clone(), plain.clone(), window);
    assert_eq!(kinds(&feed(&mut machine, now, link(true))), ["report", "enter BACKUP", "hold false"]);
    // The same when nothing is known of its interface by then.
    let (mut machine, now) = restarted(plain.clone(), plain, window);
    assert_eq!(machine.next_timer(), Some((now, Timer::MasterDown)));
    assert_eq!(kinds(&feed(&mut machine, now, Input::Timer)), ["report", "hold false"]);
    assert!(!machine.is_resuming());
    assert_eq!(kinds(&feed(&mut machine, now, link(true))), ["enter BACKUP", "hold false"]);
}

#[test]
fn what_is_wrong_now_counts() {
    let plain = config(100, Version::V2);
    let (mut machine, now) = restarted(plain.clone(), plain.clone(), SECOND);
    // The others take it for the master, and need not wait for their timers.
    assert_eq!(kinds(&feed(&mut machine, now, link(false))), ["advert 0", "enter FAULT", "hold false"]);
    assert_eq!(kinds(&feed(&mut machine, now, link(true))), ["enter BACKUP", "hold false"]);
    let (mut machine, now) = restarted(plain.clone(), plain.clone(), SECOND * 3);
    assert_eq!(kinds(&feed(&mut machine, now, link(false))), ["enter FAULT", "hold false"], "it is too late");
    let (mut machine, now) = restarted(plain.clone(), plain, SECOND);
    let maintenance = Some("disk".into());
    let conditions = Conditions { link: Some(up()), maintenance, ..Conditions::default() };
    let told = kinds(&feed(&mut machine, now, Input::Conditions(conditions)));
    assert_eq!(told, ["advert 0", "enter FAULT", "hold false"]);
}

/// A priority without what a script adds would have the backup take over.
#[test]
fn the_priority_stays_until_all_that_moves_it_is_known() {
    let (mut machine, now) = restarted(config(100, Version::V2), tracking(20), SECOND);
    assert_eq!(kinds(&feed(&mut machine, now, scripts(Standing::Pending)))[0], "advert 100");
    let told = kinds(&feed(&mut machine, now, scripts(Standing::Up)));
    assert_eq!(told, ["priority 100: base 100, script chk +20"]);
    // And what holds nobody in FAULT does not do so before it has said something.
    let (mut machine, now) = restarted(config(100, Version::V2), tracking(0), SECOND);
    assert_eq!(kinds(&feed(&mut machine, now, scripts(Standing::Pending)))[0], "advert 100");
    assert_eq!(
        kinds(&feed(&mut machine, now, scripts(Standing::Down))),
        ["advert 0", "enter FAULT", "hold false"]
    );
}

#[test]
fn the_others_take_its_signature_for_a_new_one() {
    let signed =
        Instance { authentication: Authentication::Ah(*b"1111\0\0\0\0"), ..config(100, Version::V2) };
    let (mut machine, now) = restarted(signed.clone(), signed, SECOND);
    let sequence = |actions: &[Action]| match &actions[0] {
        Action::Transmit(Outgoing { ah: Some((_, sequence)), .. }) => *sequence,
        other => panic!("{other:?}"),
    };
    // The first advert of the master, and its last one.
    assert_eq!(sequence(&feed(&mut machine, now, link(true))), 3);
}

#[test]
fn who_does_not_lead_leaves_nothing() {
    let (mut backup, now) = started(config(100, Version::V2));
    assert_eq!((feed(&mut backup, now, Input::Leave), backup.left()), (vec![], None));
    let (mut goes, now) = master(config(100, Version::V2));
    feed(&mut goes, now, Input::HandOver(Back::AsConfigured));
    assert_eq!((feed(&mut goes, now, Input::Leave), goes.left()), (vec![], None));
}

#[test]
fn others_of_its_group_take_it_along() {
    let plain = config(100, Version::V2);
    let (mut machine, now) = restarted(plain.clone(), plain, SECOND);
    feed(&mut machine, now, Input::Yield);
    assert!(!machine.is_resuming());
    assert_eq!(kinds(&feed(&mut machine, now, link(true))), ["enter BACKUP", "hold false"]);
}
