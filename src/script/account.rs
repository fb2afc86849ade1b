//! As whom a program runs: its own account, else `script_user`, else the user `keepalived_script` where there is one, else
//! whoever runs the daemon.

use crate::config::model::{Account, Scripts};

use super::{Identity, Trouble};

/// The user that is taken when no account is named.
pub const DEFAULT: &str = "keepalived_script";

/// The users and groups of this host.
pub trait Accounts {
    /// Number and primary group of a user.
    fn user(&self, name: &str) -> Option<(u32, u32)>;
    /// The same by number: primary group.
    fn primary(&self, uid: u32) -> Option<u32>;
    /// Number of a group.
    fn group(&self, name: &str) -> Option<u32>;
    /// All groups of a user, whose primary one is `gid`.
    fn groups(&self, user: &str, gid: u32) -> Vec<u32>;
    /// User and group of the daemon.
    fn own(&self) -> (u32, u32);
}

/// As whom a program with this account runs.
pub fn identity(
    account: Option<&Account>,
    settings: &Scripts,
    accounts: &dyn Accounts,
) -> Result<Identity, Trouble> {
    let named = account.or(settings.user.as_ref());
    let Some(account) = named else {
        let (uid, gid) = accounts.user(DEFAULT).unwrap_or_else(|| accounts.own());
        let known = accounts.user(DEFAULT).is_some();
        let groups = match settings.supplementary && known {
            true => accounts.groups(DEFAULT, gid),
            false => Vec::new(),
        };
        return Ok(Identity { uid, gid, groups });
    };
    let (uid, primary) = user(&account.user, accounts)?;
    let gid = match &account.group {
        Some(name) => group(name, accounts)?,
        None => primary.ok_or_else(|| Trouble {
            what: format!("user {uid} has no entry and so no group", uid = account.user),
            fix: "name the group behind the user".to_owned(),
        })?,
    };
    let groups = match account.supplementary || settings.supplementary {
        true => accounts.groups(&account.user, gid),
        false => Vec::new(),
    };
    Ok(Identity { uid, gid, groups })
}

fn user(name: &str, accounts: &dyn Accounts) -> Result<(u32, Option<u32>), Trouble> {
    if let Some((uid, gid)) = accounts.user(name) {
        return Ok((uid, Some(gid)));
    }
    let number = name.parse().map_err(|_| Trouble {
        what: format!("there is no user {name} on this host"),
        fix: format!("useradd --system --shell /usr/sbin/nologin {name}, and reload"),
    })?;
    Ok((number, accounts.primary(number)))
}

fn group(name: &str, accounts: &dyn Accounts) -> Result<u32, Trouble> {
    accounts.group(name).or_else(|| name.parse().ok()).ok_or_else(|| Trouble {
        what: format!("there is no group {name} on this host"),
        fix: format!("groupadd --system {name}, and reload"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host {
        has_default: bool,
    }

    impl Accounts for Host {
        fn user(&self, name: &str) -> Option<(u32, u32)> {
            match name {
                "ops" => Some((1000, 100)),
                DEFAULT if self.has_default => Some((990, 990)),
                _ => None,
            }
        }
        fn primary(&self, uid: u32) -> Option<u32> {
            (uid == 1000).then_some(100)
        }
        fn group(&self, name: &str) -> Option<u32> {
            (name == "adm").then_some(4)
        }
        fn groups(&self, user: &str, gid: u32) -> Vec<u32> {
            if user == "ops" { vec![gid, 27] } else { vec![gid] }
        }
        fn own(&self) -> (u32, u32) {
            (0, 0)
        }
    }

    fn account(text: &str) -> Option<Account> {
        let mut words = text.split_whitespace();
        let user = words.next()?.to_owned();
        let group = words.next().unwrap_or("");
        let supplementary = group.starts_with(':');
        let group = group.trim_start_matches(':');
        Some(Account { user, group: (!group.is_empty()).then(|| group.to_owned()), supplementary })
    }

    #[test]
    fn the_nearest_account_counts() {
        // The script's own account, `script_user`, `set_supplementary_groups`, whether keepalived_script is there.
        type Found = Result<(u32, u32, usize), &'static str>;
        let cases: [(&str, &str, bool, bool, Found); 11] = [
            ("", "", false, false, Ok((0, 0, 0))),
            ("", "", true, false, Ok((0, 0, 0))),
            ("", "", false, true, Ok((990, 990, 0))),
            ("", "", true, true, Ok((990, 990, 1))),
            ("", "ops", false, true, Ok((1000, 100, 0))),
            ("ops adm", "root", false, true, Ok((1000, 4, 0))),
            ("ops :", "", false, false, Ok((1000, 100, 2))),
            ("1000", "", false, false, Ok((1000, 100, 0))),
            ("77", "", false, false, Err("has no entry")),
            ("jim", "", false, false, Err("no user jim")),
            ("", "ops staff", false, true, Err("no group staff")),
        ];
        for (own, global, supplementary, has_default, expected) in cases {
            let settings = Scripts { user: account(global), supplementary, ..Scripts::default() };
            let found = identity(account(own).as_ref(), &settings, &Host { has_default });
            match expected {
                Ok(numbers) => {
                    let found = found.unwrap();
                    assert_eq!((found.uid, found.gid, found.groups.len()), numbers, "{own}, {global}");
                }
                Err(words) => assert!(found.unwrap_err().what.contains(words), "{own}, {global}"),
            }
        }
    }
}
