//! Organizations and their members.
//!
//! Data only: no behaviour.

use super::super::column::{entry_name, entry_value, from_parent, from_record, string};
use super::super::system::{deleted, synced};
use super::super::{Endpoint, Example, Paging, Parent, Replication, Rows, Stream, Table, Text};

/// All organizations.
pub(super) const ORGANIZATIONS_STREAM: Stream = Stream {
    name: "organizations",
    endpoint: Some(Endpoint {
        path: "/organizations",
        collection: "organizations",
        paging: Paging::Checkpoint,
        page_size: 100,
        scope: "read:organizations",
        query: &[],
        record_path: Some("/organizations/{id}"),
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[ORGANIZATION, ORGANIZATION_METADATA],
};

/// Members of each organization. Only ids are asked for: names and addresses stay where they are.
pub(super) const ORGANIZATION_MEMBERS_STREAM: Stream = Stream {
    name: "organization_members",
    endpoint: Some(Endpoint {
        path: "/organizations/{parent}/members",
        collection: "members",
        paging: Paging::CountedCheckpoint,
        page_size: 100,
        scope: "read:organization_members",
        query: &[("fields", "user_id"), ("include_fields", "true")],
        record_path: None,
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: Some(Parent { stream: "organizations", column: "id" }),
    tables: &[ORGANIZATION_MEMBER],
};

const ORGANIZATION: Table = Table {
    name: "organization",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the organization.", "組織を一意に識別するID").primary(),
        deleted(),
        synced(),
        string(
            "branding_colors_page_background",
            "/branding/colors/page_background",
            "Background colour of its login page, such as `#FFFFFF`.",
            "ページ背景のブランドカラー",
        ),
        string(
            "branding_colors_primary",
            "/branding/colors/primary",
            "Primary colour of its login page, such as `#0059D6`.",
            "プライマリブランドカラー",
        ),
        string("display_name", "/display_name", "Name shown to people.", "組織の表示名"),
        string("name", "/name", "Name used by the API and in URLs.", "組織の名称"),
    ],
    about: Text {
        en: "An organization: a business customer or partner with its own members and login.",
        ja: "組織（独自のメンバーとログインを持つ法人顧客やパートナー）。",
    },
    tags: &["identity"],
    example: Example {
        asks: Text {
            en: "Which organizations have most members?", ja: "メンバーが最も多い組織は？"
        },
        sql: "select o.name, o.display_name, count(m.id) as members
from auth0.organization as o
left join auth0.organization_member as m
  on m.organization_id = o.id and not m._fivetran_deleted
where not o._fivetran_deleted
group by o.name, o.display_name
order by members desc, o.name
limit 20;",
    },
};

const ORGANIZATION_METADATA: Table = Table {
    name: "organization_metadata",
    key: &["organization_id", "name"],
    rows: Rows::Entries("/metadata"),
    columns: &[
        entry_name("name", "Name of the entry.", "メタデータのキー（名称）").primary(),
        from_record("organization_id", "/id", "Identifies the organization.", "関連する組織のID").primary(),
        deleted(),
        synced(),
        entry_value("value", "Value of the entry; anything but text is JSON.", "メタデータの値"),
    ],
    about: Text {
        en: "A name and value that the tenant's administrators keep with an organization.",
        ja: "管理者が組織に付与したメタデータの名称と値。",
    },
    tags: &["identity", "child"],
    example: Example {
        asks: Text {
            en: "Which metadata do organizations carry?", ja: "組織に付与されているメタデータは？"
        },
        sql: "select o.name as organization_name, m.name, m.value
from auth0.organization_metadata as m
join auth0.organization as o on o.id = m.organization_id
where not m._fivetran_deleted
order by organization_name, m.name;",
    },
};

const ORGANIZATION_MEMBER: Table = Table {
    name: "organization_member",
    key: &["organization_id", "id"],
    rows: Rows::Record,
    columns: &[
        string(
            "id",
            "/user_id",
            "Identifies the user who is a member; joins `users.id`.",
            "組織メンバーの関連を一意に識別するID",
        )
        .primary(),
        from_parent("organization_id", "Identifies the organization.", "関連する組織のID").foreign(),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "A user's membership of an organization.", ja: "ユーザーと組織の所属関係。"
    },
    tags: &["identity", "access", "pii"],
    example: Example {
        asks: Text {
            en: "Which users belong to more than one organization?",
            ja: "複数の組織に所属するユーザーは？",
        },
        sql: "select u.id, u.email, count(*) as organizations
from auth0.organization_member as m
join auth0.users as u on u.id = m.id
where not m._fivetran_deleted and not u._fivetran_deleted
group by u.id, u.email
having count(*) > 1
order by organizations desc, u.id;",
    },
};
