//! `--check --as-start --format json`: what a start would run, for programs.
//!
//! In: the decision of a start, and the machine. Out: a value of JSON; what is configured and does not run is in it by name.

use serde_json::{Value, json};

use super::start::{Decision, Source, missing_interface};
use crate::config::diagnostic::Severity;
use crate::config::host::Host;
use crate::config::model::Granularity;
use crate::director::namespace::Namespaces;

/// The member `start` of the document.
pub(super) fn plan(decision: &Decision, host: &dyn Host) -> Value {
    let Some(start) = &decision.start else {
        return json!({ "runs": false, "not_used": decision.kept_trouble });
    };
    let (from, applied) = match &start.source {
        Source::File => ("file", None),
        Source::Kept(time) => ("kept", Some(time)),
        Source::Degraded => ("file without errors", None),
    };
    let runnable = &start.candidate.runnable;
    // What another network namespace has cannot be seen from here.
    let seen = start.candidate.namespaces == Namespaces::default();
    let instances = runnable.instances.iter().map(|instance| {
        let addresses: Vec<String> =
            instance.all_addresses().map(|address| address.address.to_string()).collect();
        let missing = missing_interface(instance, host).filter(|_| seen);
        json!({
            "name": instance.name,
            "interface": instance.interface.as_ref().map(ToString::to_string),
            "virtual_router_id": instance.vrid.number(),
            "priority": instance.priority.number(),
            "addresses": addresses,
            "waits_for_interface": missing,
        })
    });
    let servers = runnable.virtual_servers.iter().map(|server| {
        let reals: Vec<String> = server.real_servers.iter().map(|real| real.address.to_string()).collect();
        let persistence = server.persistence.map(|persistence| match persistence.granularity {
            Granularity::Prefix(prefix) => json!({ "timeout": persistence.timeout, "prefix": prefix }),
            Granularity::Mask(mask) => json!({ "timeout": persistence.timeout, "mask": mask }),
        });
        json!({ "name": server.name().to_string(), "persistence": persistence, "real_servers": reals })
    });
    let unsupported =
        runnable.left_out.iter().map(|left_out| json!({ "what": left_out.what, "why": left_out.why }));
    // Of a file with errors, the blocks that these stand in.
    let errors = decision.loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
    let wrong = errors.filter(|_| start.source == Source::Degraded);
    let wrong = wrong.map(|one| json!({ "what": one.block, "why": one.message }));
    json!({
        "runs": true,
        "from": from,
        "applied_at": applied,
        "not_used": decision.kept_trouble,
        "instances": instances.collect::<Vec<_>>(),
        "virtual_servers": servers.collect::<Vec<_>>(),
        "left_out": unsupported.chain(wrong).collect::<Vec<_>>(),
        "ipvs": runnable.virtual_servers.is_empty() || !seen || host.has_module("ip_vs"),
    })
}
