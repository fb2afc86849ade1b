//! The tokens of one load.
//!
//! They lie in pieces that the allocator takes back and hands out again: the model, which is made when they are gone,
//! needs that memory.

use super::lexer::Token;

/// Tokens of a piece, 64 KiB: an allocator gives larger ones back to the kernel.
const PIECE: usize = 4096;

/// A list that only grows.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// All full but the last.
    pieces: Vec<Vec<Token>>,
}

impl Tokens {
    pub(super) fn push(&mut self, token: Token) {
        match self.pieces.last_mut().filter(|piece| piece.len() < PIECE) {
            Some(piece) => piece.push(token),
            None => {
                // The first one may stay small.
                let room = if self.pieces.is_empty() { 0 } else { PIECE };
                let mut piece = Vec::with_capacity(room);
                piece.push(token);
                self.pieces.push(piece);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Token> + Clone {
        self.pieces.iter().flatten()
    }

    /// Those from number `index` on.
    pub(super) fn from(&self, index: usize) -> impl Iterator<Item = &Token> {
        let pieces = self.pieces.get(index / PIECE..).unwrap_or(&[]);
        pieces.iter().flatten().skip(index % PIECE)
    }

    pub(super) fn last(&self) -> Option<&Token> {
        self.pieces.last()?.last()
    }
}
