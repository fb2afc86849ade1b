//! `keepalived_bfd.data`: BFD sessions.

use super::View;
use super::page::Page;

pub(super) fn show(view: &View<'_>, page: &mut Page) {
    let sessions = &view.configured.model.bfd;
    if sessions.is_empty() {
        return;
    }
    page.title("BFD Topology");
    for session in sessions {
        page.line(format_args!(" BFD Instance = {}", session.name));
        page.line(format_args!("   Neighbor IP = {}", session.neighbour));
        if let Some(source) = session.source {
            page.line(format_args!("   Source IP = {source}"));
        }
        let intervals = [
            ("Required min RX", session.min_rx),
            ("Desired min TX", session.min_tx),
            ("Desired idle TX", session.idle_tx),
        ];
        for (which, interval) in intervals {
            page.line(format_args!("   {which} interval = {} us", interval.as_micros()));
        }
        page.line(format_args!("   Detection multiplier = {}", session.multiplier));
        page.line(format_args!("   TTL = {}", session.ttl));
        page.line(format_args!("   max_hops = {}", session.max_hops));
        page.line(format_args!("   passive = {}", session.passive));
        let told = |is| if is { "Yes" } else { "No" };
        page.line(format_args!("   send event to VRRP process = {}", told(session.vrrp)));
        page.line(format_args!("   send event to checker process = {}", told(session.checker)));
        let Some(seen) = view.state.sessions.iter().find(|seen| seen.name == session.name) else { continue };
        page.line(format_args!("   send error = {}", seen.unsent.is_some()));
        page.line(format_args!("   local state = {}", seen.state));
        page.line(format_args!("   remote state = {}", seen.remote_state));
        page.line(format_args!("   local discriminator = 0x{:x}", seen.discriminator));
        page.line(format_args!("   remote discriminator = 0x{:x}", seen.remote_discriminator));
        page.line(format_args!("   local diag = {}", seen.diagnostic));
        page.line(format_args!("   remote diag = {}", seen.remote_diagnostic));
        page.line(format_args!("   local tx intv = {} us", seen.interval.as_micros()));
        let detection = seen.detection.unwrap_or_default();
        page.line(format_args!("   local detection time = {} us", detection.as_micros()));
    }
}
