//! The paths that a stream's columns ask for, as a tree that is walked beside the record: each path's value lands in its slot.

use crate::json::{Cursor, Json, JsonError, Name};

/// A tree of member names. Slots are numbered from 0 in the order in which paths were added.
#[derive(Debug, Default)]
pub(super) struct Program {
    root: Node,
    slots: usize,
}

#[derive(Debug, Default)]
struct Node {
    name: Box<[u8]>,
    /// Where the value of this path goes, if a column asks for it.
    slot: Option<usize>,
    members: Vec<Node>,
}

impl Program {
    /// Adds a slash-separated path and gives its slot; the same path has one slot. `""` is the walked value itself.
    pub(super) fn slot(&mut self, path: &str) -> usize {
        let mut node = &mut self.root;
        for name in path.split('/').skip(1) {
            let found = node.members.iter().position(|member| &*member.name == name.as_bytes());
            let at = found.unwrap_or_else(|| {
                node.members.push(Node { name: name.as_bytes().into(), ..Node::default() });
                node.members.len() - 1
            });
            node = &mut node.members[at];
        }
        *node.slot.get_or_insert_with(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    /// How many slots a walk fills.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Steps over the value at the cursor, once, and puts what is found into `slots`. Of duplicate members the last counts.
    pub(super) fn walk<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        slots: &mut [Option<Json<'a>>],
    ) -> Result<(), JsonError> {
        self.root.walk(cursor, slots)
    }
}

impl Node {
    fn walk<'a>(&self, cursor: &mut Cursor<'a>, slots: &mut [Option<Json<'a>>]) -> Result<(), JsonError> {
        let begin = cursor.position();
        if self.members.is_empty() || !cursor.begins_with(b'{') {
            cursor.value()?;
        } else {
            cursor.enter();
            let mut seen = 0u64;
            while let Some(name) = cursor.member()? {
                let Some(at) = self.find(name) else {
                    cursor.value()?;
                    continue;
                };
                let bit = 1u64 << (at % 64);
                if seen & bit != 0 {
                    self.members[at].clear(slots);
                }
                seen |= bit;
                self.members[at].walk(cursor, slots)?;
            }
        }
        if let Some(slot) = self.slot {
            slots[slot] = Some(cursor.since(begin));
        }
        Ok(())
    }

    fn find(&self, name: Name<'_>) -> Option<usize> {
        let raw = name.raw();
        let found =
            self.members.iter().position(|member| member.name.len() == raw.len() && *member.name == *raw);
        found.or_else(|| self.find_escaped(name))
    }

    /// The member whose name is spelled with escapes.
    fn find_escaped(&self, name: Name<'_>) -> Option<usize> {
        if !name.raw().contains(&b'\\') {
            return None;
        }
        let text = name.text();
        self.members.iter().position(|member| text.as_bytes() == &*member.name)
    }

    fn clear(&self, slots: &mut [Option<Json<'_>>]) {
        if let Some(slot) = self.slot {
            slots[slot] = None;
        }
        for member in &self.members {
            member.clear(slots);
        }
    }
}
