//! What an instance tracks in the end: its own lines and those of its sync group, each with the weight that counts.

use super::model::{Instance, Model, Priority, SyncGroup, TrackFile, TrackWeight, Tracked, Tracking};

/// Without a weight: a failure is a FAULT.
const NONE: TrackWeight = TrackWeight { number: 0, reverse: false };

/// What `instance` tracks. Of two groups that name it the first counts.
pub(super) fn tracking(instance: &Instance, model: &Model) -> Tracking {
    let mut own = weighted(&instance.tracking, model);
    let Some(group) = model.sync_groups.iter().find(|group| group.members.contains(&instance.name)) else {
        return own;
    };
    if !group.tracking_weight {
        unweighted(&mut own);
    }
    let mut of_group = weighted(&group.tracking, model);
    if has_owner(group, model) {
        // A priority of 255 never changes.
        let lists = [&mut of_group.scripts, &mut of_group.files, &mut of_group.processes, &mut of_group.bfd];
        lists.into_iter().flatten().for_each(|one| one.weight = Some(NONE));
        of_group.interfaces.iter_mut().for_each(|(_, weight)| *weight = NONE);
    }
    for (name, weight) in of_group.interfaces {
        match own.interfaces.iter_mut().find(|(other, _)| *other == name) {
            Some((_, own)) if own.number != 0 => *own = weight,
            Some(_) => {}
            None => own.interfaces.push((name, weight)),
        }
    }
    join(&mut own.scripts, of_group.scripts);
    join(&mut own.files, of_group.files);
    join(&mut own.processes, of_group.processes);
    join(&mut own.bfd, of_group.bfd);
    own
}

fn has_owner(group: &SyncGroup, model: &Model) -> bool {
    let members = model.instances.iter().filter(|instance| group.members.contains(&instance.name));
    members.into_iter().any(|instance| instance.priority == Priority::OWNER)
}

/// Each line with its weight: its own, else that of the object.
fn weighted(tracking: &Tracking, model: &Model) -> Tracking {
    let mut tracking = tracking.clone();
    let fill = |lines: &mut Vec<Tracked>, of: &dyn Fn(&str) -> Option<TrackWeight>| {
        lines.iter_mut().for_each(|line| line.weight = line.weight.or_else(|| of(&line.name)));
    };
    let scripts = &model.scripts;
    fill(&mut tracking.scripts, &|name| Some(scripts.iter().find(|one| one.name == name)?.weight));
    let files = &model.files;
    fill(&mut tracking.files, &|name| Some(files.iter().find(|one| one.name == name)?.weight));
    let processes = &model.processes;
    fill(&mut tracking.processes, &|name| Some(processes.iter().find(|one| one.name == name)?.weight));
    let bfd = &model.bfd;
    fill(&mut tracking.bfd, &|name| Some(bfd.iter().find(|one| one.name == name)?.weight));
    tracking
}

/// keepalived's rule for members of a group without `sync_group_tracking_weight`: no weight of a member moves it apart
/// from the others. A weighted interface and a file of the usual weight mean FAULT, the rest of what has a weight says
/// nothing.
fn unweighted(tracking: &mut Tracking) {
    tracking.interfaces.iter_mut().for_each(|(_, weight)| weight.number = 0);
    for lines in [&mut tracking.scripts, &mut tracking.processes, &mut tracking.bfd] {
        lines.retain(|line| line.weight.is_none_or(|weight| weight.number == 0));
    }
    tracking.files.retain(|line| {
        line.weight.is_none_or(|weight| [0, TrackFile::WEIGHT.number].contains(&weight.number))
    });
    for weight in tracking.files.iter_mut().filter_map(|line| line.weight.as_mut()) {
        weight.number = 0;
    }
}

fn join(own: &mut Vec<Tracked>, of_group: Vec<Tracked>) {
    for line in of_group {
        match own.iter_mut().find(|other| other.name == line.name) {
            Some(own) if own.weight.is_some_and(|weight| weight.number != 0) => own.weight = line.weight,
            Some(_) => {}
            None => own.push(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::{Options, load};
    use std::path::Path;

    const OBJECTS: &str = "vrrp_script s0 {\nscript /bin/true\n}\nvrrp_script s9 {\nscript /bin/true\nweight 9\n}\n\
         track_file f1 {\nfile /run/f1\n}\ntrack_file f2 {\nfile /run/f2\nweight 2\n}\n";

    /// What A tracks, as `name weight`: interfaces, scripts, files. `group`: what stands in the group.
    fn tracked(own: &str, group: Option<&str>, priority: u8) -> String {
        let group = group.map_or_else(String::new, |more| {
            format!("vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{more}\n}}\n")
        });
        let instance = |name: &str, priority: u8, more: &str| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {}\npriority {priority}\n{more}\n\
                 virtual_ipaddress {{\n10.0.0.{}\n}}\n}}\n",
                name.as_bytes()[0],
                name.as_bytes()[0]
            )
        };
        let text = [OBJECTS.to_owned(), group, instance("A", 100, own), instance("B", priority, "")].concat();
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let found = tracking(&model.instances[0], &model);
        let interfaces = found.interfaces.iter().map(|(name, weight)| format!("{name} {}", weight.number));
        let lines = found.scripts.iter().chain(&found.files);
        let lines = lines.map(|line| format!("{} {}", line.name, line.weight.unwrap().number));
        interfaces.chain(lines).collect::<Vec<String>>().join(", ")
    }

    /// `reverse` is that of the object, unless the line says it.
    #[test]
    fn a_line_has_the_reverse_of_what_it_tracks() {
        let objects = "track_file r {\nfile /run/r\nweight 7 reverse\n}\nvrrp_script r {\nscript /bin/true\nweight 5 reverse\n}\n\
             vrrp_track_process r {\nprocess r\nweight 5 reverse\n}\n";
        let cases = [
            ("", (7, true)),
            (" weight 3", (3, true)),
            (" weight 3 reverse", (3, true)),
            (" weight 3 noreverse", (3, false)),
        ];
        for (line, expected) in cases {
            let blocks =
                ["script", "file", "process"].map(|kind| format!("track_{kind} {{\nr{line}\n}}\n")).concat();
            let text = format!(
                "{objects}vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\npriority 100\n{blocks}virtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
            );
            let model = |text: &str| {
                let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
                loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
            };
            let model_of_text = model(&text);
            let found = tracking(&model_of_text.instances[0], &model_of_text);
            let weight =
                |lines: &[Tracked]| lines[0].weight.map(|weight| (weight.number, weight.reverse)).unwrap();
            let expected = |own: i16| if line.is_empty() { (own, true) } else { expected };
            assert_eq!(weight(&found.files), expected(7), "{line}");
            assert_eq!(weight(&found.scripts), expected(5), "{line}");
            assert_eq!(weight(&found.processes), expected(5), "{line}");
            let show = crate::config::dump::Show { defaults: false, secrets: true };
            let again = model(&crate::config::dump::conf(&model_of_text, show));
            assert_eq!(again.instances, model_of_text.instances, "{line}");
        }
    }

    const OWN: &str =
        "track_interface {\neth1 weight 5\n}\ntrack_script {\ns0\ns9\n}\ntrack_file {\nf1\nf2\n}";

    #[test]
    fn the_weight_of_the_line_counts_then_that_of_the_object() {
        assert_eq!(tracked(OWN, None, 100), "eth1 5, s0 0, s9 9, f1 1, f2 2");
        assert_eq!(tracked("track_script {\ns9 weight -3\n}", None, 100), "s9 -3");
    }

    #[test]
    fn members_of_a_group_have_no_weights_unless_it_says_so() {
        assert_eq!(tracked(OWN, Some(""), 100), "eth1 0, s0 0, f1 0");
        let weights = "sync_group_tracking_weight";
        assert_eq!(tracked(OWN, Some(weights), 100), "eth1 5, s0 0, s9 9, f1 1, f2 2");
    }

    #[test]
    fn what_the_group_tracks_counts_for_each_member() {
        let group = "sync_group_tracking_weight\ntrack_interface {\neth1 weight 7\neth2\n}\ntrack_script {\ns0 weight 4\ns9 weight 8\n}";
        assert_eq!(tracked("", Some(group), 100), "eth1 7, eth2 0, s0 4, s9 8");
        // A member without a weight stays without.
        assert_eq!(tracked(OWN, Some(group), 100), "eth1 7, eth2 0, s0 0, s9 8, f1 1, f2 2");
        assert_eq!(tracked("", Some(group), 255), "eth1 0, eth2 0, s0 0, s9 0");
    }
}
