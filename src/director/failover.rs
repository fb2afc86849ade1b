//! `directord failover`: another node is to lead.

use tokio::sync::oneshot;

use super::Director;
use super::requests::Said;
use crate::vrrp::event::State;
use crate::vrrp::instance::Back;
use crate::vrrp::io::Command;

impl Director {
    /// `of`: instances and sync groups. Done when the others are told; who takes over is in the status then.
    pub(super) async fn failover(&mut self, of: &[String], back: Back) -> Said {
        let model = &self.running.model;
        let Some(handle) = &self.vrrp else { return Err("no instance runs".to_owned()) };
        let snapshot = handle.snapshot.borrow().clone();
        let mut meant = Vec::new();
        for name in of {
            let group = model.sync_groups.iter().find(|group| group.name == *name);
            let members = group.map_or(std::slice::from_ref(name), |group| group.members.as_slice());
            let known = |member: &&String| snapshot.instances.iter().any(|one| one.name == **member);
            let members: Vec<String> = members.iter().filter(known).cloned().collect();
            if members.is_empty() {
                return Err(format!("no instance or sync group that runs is called `{name}`"));
            }
            meant.extend(members);
        }
        let states = || snapshot.instances.iter().filter(|one| meant.contains(&one.name));
        if !states().any(|one| one.state == State::Master) {
            let state = |one: &crate::vrrp::instance::Snapshot| match one.master {
                Some(master) if one.state == State::Backup => {
                    format!("{} is BACKUP here, {master} is the master", one.name)
                }
                _ => format!("{} is {} here", one.name, one.state),
            };
            let states: Vec<String> = states().map(state).collect();
            return Err(format!("only a master can hand over, and {}", states.join(", ")));
        }
        let (done, told) = oneshot::channel();
        let gone = |_| "the VRRP thread has ended".to_owned();
        let command = Command::HandOver { of: meant, back, done };
        handle.commands.send(command).await.map_err(|_| gone(()))?;
        told.await.map_err(|_| gone(()))?;
        Ok(Vec::new())
    }
}
