//! What a simulated tenant must do, shown through the front door: requests in, responses out, on a virtual clock.

mod cascades;
mod churn;
mod events;
mod exports;
mod generated;
mod limits;
mod logs;
mod paging;
mod scenes;
mod scopes;
mod search;
mod server;
mod shapes;
mod support;
