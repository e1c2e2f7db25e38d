//! The trials of the normal test run: 200 seeds, and what shows that a trial can be repeated and made small.

mod planted;
mod seeds;
