//! The tokens that were issued. They are few for each client, and so their memory is bounded.

use std::collections::{HashMap, VecDeque};

/// Beyond this many the oldest token of the client ends before its time.
const MOST: usize = 1000;

pub(crate) struct Token {
    pub(crate) client_id: String,
    pub(crate) expires_at: u64,
}

#[derive(Default)]
pub(crate) struct Tokens {
    tokens: HashMap<String, Token>,
    /// Of each client, the oldest first.
    issued: HashMap<String, VecDeque<String>>,
}

impl Tokens {
    pub(crate) fn insert(&mut self, token: &str, client_id: &str, now: u64, expires_at: u64) {
        let issued = self.issued.entry(client_id.to_owned()).or_default();
        while let Some(oldest) = issued.front() {
            let is_alive = self.tokens.get(oldest).is_some_and(|token| token.expires_at > now);
            if is_alive && issued.len() < MOST {
                break;
            }
            self.tokens.remove(oldest);
            issued.pop_front();
        }
        issued.push_back(token.to_owned());
        let client_id = client_id.to_owned();
        self.tokens.insert(token.to_owned(), Token { client_id, expires_at });
    }

    pub(crate) fn get(&self, token: &str, now: u64) -> Option<&Token> {
        self.tokens.get(token).filter(|token| token.expires_at > now)
    }

    /// RFC 7009 §2.1: only the client that a token was issued to may revoke it.
    pub(crate) fn revoke(&mut self, token: &str, client_id: &str) {
        if self.tokens.get(token).is_some_and(|token| token.client_id == client_id) {
            self.tokens.remove(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(tokens: &Tokens, now: u64) -> Vec<&str> {
        let known = tokens.tokens.keys().map(String::as_str);
        let mut alive: Vec<_> = known.filter(|token| tokens.get(token, now).is_some()).collect();
        alive.sort_unstable();
        alive
    }

    #[test]
    fn token_ends_when_it_expires_and_leaves_the_memory() {
        let mut tokens = Tokens::default();
        tokens.insert("a", "batch", 0, 10);
        tokens.insert("b", "batch", 5, 15);
        tokens.insert("c", "other", 5, 15);
        assert_eq!(alive(&tokens, 9), ["a", "b", "c"]);
        assert_eq!(alive(&tokens, 10), ["b", "c"]);
        tokens.revoke("b", "other");
        assert_eq!(alive(&tokens, 10), ["b", "c"]);
        tokens.revoke("b", "batch");
        assert_eq!(alive(&tokens, 10), ["c"]);
        tokens.insert("d", "batch", 20, 30);
        assert_eq!(
            tokens.tokens.len(),
            2,
            "of other clients, whose number is fixed, one may be left"
        );
        assert_eq!(tokens.issued.values().map(VecDeque::len).sum::<usize>(), 2);
        assert_eq!(alive(&tokens, 20), ["d"]);
    }

    #[test]
    fn no_client_fills_the_memory() {
        let mut tokens = Tokens::default();
        tokens.insert("other", "other", 0, 10);
        for n in 0..3 * MOST {
            tokens.insert(&n.to_string(), "batch", 0, 10);
        }
        assert_eq!(tokens.tokens.len(), MOST + 1);
        assert_eq!(tokens.issued.values().map(VecDeque::len).sum::<usize>(), MOST + 1);
        assert!(tokens.get("other", 0).is_some());
        assert!(tokens.get(&(2 * MOST).to_string(), 0).is_some());
        assert!(tokens.get(&(2 * MOST - 1).to_string(), 0).is_none());
    }
}
