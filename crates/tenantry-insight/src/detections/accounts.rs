//! Abuse of sign-ups, second factors and linked accounts.

use super::BASE;
use crate::column::{at, day, hour, note, user, value};
use crate::detection::{Detection, Severity};
use crate::text;

pub(super) const DETECTIONS: &[Detection] = &[
    Detection {
        id: "mfa-fatigue",
        title: text("Push notifications until the user gives in", "プッシュ通知による多要素認証疲労攻撃"),
        about: text(
            "Five or more pushes were sent to one user within ten minutes. The password is known to whoever asked for them; a user whose phone is silent looks the same.",
            "1人のユーザーに10分間で5回以上のプッシュ通知が送られた。要求した者はパスワードを知っている。端末の通知に気づかない本人の場合もある。",
        ),
        severity: Severity::High,
        fix: text(
            "Ask the user. Reset the password, and offer factors that cannot be pushed, such as passkeys.",
            "本人に確認してパスワードを再設定する。プッシュに頼らない要素（パスキーなど）への移行を検討する。",
        ),
        published: &["risk_for_mfa_push_fatigue"],
        columns: &[
            hour(),
            user(),
            value("in_ten_minutes", "most in ten minutes", "10分間の最大"),
            value("rejected", "rejected", "拒否"),
            value("accepted", "accepted", "承認"),
        ],
        text: r#"with counted as (
  select user_id, "date", type,
         count(*) filter (where type = 'gd_send_pn') over (
           partition by user_id order by "date" range between interval '10 minutes' preceding and current row) as pushes
  from auth0.logs
  where type in ('gd_send_pn', 'gd_auth_rejected', 'gd_auth_succeed') and user_id <> '' and "date" >= {since} and "date" < {until}
)
select date_trunc('hour', "date") as "hour", user_id, max(pushes) as in_ten_minutes,
       count(*) filter (where type = 'gd_auth_rejected') as rejected, count(*) filter (where type = 'gd_auth_succeed') as accepted
from counted
group by 1, 2
having max(pushes) >= 5
order by 1 desc, 2
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "sms-bombing",
        title: text("SMS or calls in bulk", "SMS・音声通話の大量送信"),
        about: text(
            "Ten or more SMS, calls or one-time codes were sent to one user, or from one address, within an hour. Whoever asks for them may earn on the traffic.",
            "1人のユーザー宛て、または1つのIPアドレスから、1時間に10件以上のSMS・音声通話・ワンタイムコードが送られた。送信料で利益を得る不正の可能性がある。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Limit messages for each user and address, bar prefixes that nobody uses, and put bot detection before the step.",
            "ユーザー・IPアドレスごとの送信数を制限し、不要な国番号を拒否して、手前にボット検知を置く。",
        ),
        published: &["sms_bombarding"],
        columns: &[hour(), user(), note("ip", "IP address", "IPアドレス"), value("sent", "sent", "送信")],
        text: r#"with sent as (
  select date_trunc('hour', "date") as "hour", coalesce(user_id, '') as user_id, coalesce(ip, '') as ip
  from auth0.logs
  where type in ({codes:texted}) and "date" >= {since} and "date" < {until}
)
select "hour", user_id, '' as ip, count(*) as sent from sent where user_id <> '' group by 1, 2 having count(*) >= 10
union all
select "hour", '', ip, count(*) from sent where ip <> '' group by 1, 3 having count(*) >= 10
order by 1 desc, 4 desc, 2, 3
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "linked-account",
        title: text("An account of the same connection was linked", "同じ接続のアカウントがリンクされた"),
        about: text(
            "A user was linked to another by a token of an end user, and now holds two identities of one connection. People link accounts of different connections; two of the same can be a takeover.",
            "エンドユーザーのトークンでアカウントがリンクされ、1人のユーザーが同じ接続のIDを2つ持っている。通常は異なる接続をリンクするため、乗っ取りの可能性がある。",
        ),
        severity: Severity::High,
        fix: text(
            "Unlink the newer identity, end the sessions, and take `update:current_user_identities` from applications of end users.",
            "新しいIDのリンクを解除してセッションを終了し、エンドユーザー向けアプリケーションからupdate:current_user_identitiesを外す。",
        ),
        published: &["account_takeover_via_account_linking"],
        tables: &["logs", "user_identities"],
        columns: &[
            at("date", "time (UTC)", "日時（UTC）"),
            user(),
            note("connection", "connection", "接続"),
            value("identities", "identities in it", "接続内のID"),
            note("ip", "IP address", "IPアドレス"),
        ],
        text: r#"with doubled as (
  select users_id, connection, count(*) as identities
  from auth0.user_identities
  where not _fivetran_deleted
  group by 1, 2
  having count(*) > 1
), linked as (
  select "date", log_id, coalesce(request_ip, ip) as ip,
         replace(replace(split_part(split_part(request_path, '/users/', 2), '/', 1), '%7C', '|'), '%7c', '|') as user_id
  from auth0.logs
  where type in ({codes:api_write}) and request_method = 'post' and request_path like '%/users/%/identities'
    and request_auth_credential like '%update:current_user_identities%' and "date" >= {since} and "date" < {until}
)
select l."date", l.user_id, d.connection, d.identities, l.ip
from linked as l
join doubled as d on d.users_id = l.user_id
order by 1 desc, 2, 3
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "signup-volume",
        title: text("Sign-ups in bulk from one address", "1つのIPアドレスからの大量登録"),
        about: text(
            "Ten or more users signed up from one address within an hour. A class or a trade fair does too.",
            "1つのIPアドレスから1時間に10人以上が登録。研修やイベント会場でも起こる。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Look at the users' names. If they are made up: block the address, delete the users, turn on bot detection for sign-ups.",
            "登録された名前を確認し、不自然ならIPアドレスを遮断してユーザーを削除し、登録時のボット検知を有効にする。",
        ),
        published: &["risk_of_signup_fraud_by_volume"],
        columns: &[
            hour(),
            note("ip", "IP address", "IPアドレス"),
            value("signups", "sign-ups", "登録"),
            value("refused", "refused sign-ups", "拒否された登録"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", ip, count(*) filter (where type in ({codes:signup})) as signups,
       count(*) filter (where type in ({codes:failed_signup})) as refused
from auth0.logs
where (type in ({codes:signup}) or type in ({codes:failed_signup})) and ip <> '' and "date" >= {since} and "date" < {until}
group by 1, 2
having count(*) filter (where type in ({codes:signup})) >= 10
order by 1 desc, 3 desc, 2
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "unverified-signups",
        title: text("Many users who never verify", "メール未確認ユーザーの急増"),
        about: text(
            "A day on which twenty or more users were created and at most a fifth of them verified their email since.",
            "1日に20人以上のユーザーが作成され、その後メールアドレスを確認したのが2割以下の日。",
        ),
        severity: Severity::Low,
        fix: text(
            "Look for a pattern in names and addresses, ask for a verified email before anything of value, and delete what is made up.",
            "名前やアドレスの規則性を調べ、重要な操作の前にメール確認を必須にし、不自然なユーザーを削除する。",
        ),
        published: &["many_unverified_accounts_created"],
        tables: &["users"],
        columns: &[
            day(),
            value("users", "users created", "作成されたユーザー"),
            value("verified", "of them verified", "うち確認済み"),
        ],
        text: r#"select date_trunc('day', created_at) as "day", count(*) as users, count(*) filter (where email_verified) as verified
from auth0.users
where email <> '' and not _fivetran_deleted and created_at >= {since} and created_at < {until}
group by 1
having count(*) >= 20 and count(*) filter (where email_verified) * 5 <= count(*)
order by 1 desc
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "disposable-email",
        title: text("Users with a disposable email", "使い捨てメールアドレスのユーザー"),
        about: text(
            "Users created with an address of a service for throw-away mail. The list holds the best known services only.",
            "使い捨てメールサービスのアドレスで作成されたユーザー。一覧は代表的なサービスのみ。",
        ),
        severity: Severity::Low,
        fix: text(
            "Refuse such domains in a pre-registration action; what they already did is in the user's events.",
            "登録前アクションで該当ドメインを拒否する。過去の操作はユーザーのイベントで確認できる。",
        ),
        published: &["risk_of_signup_fraud_by_disposable_domains"],
        tables: &["users"],
        columns: &[
            at("created_at", "created (UTC)", "作成日時（UTC）"),
            user(),
            note("email", "email", "メールアドレス"),
            value("logins", "logins", "ログイン回数"),
        ],
        text: "select created_at, id as user_id, email, coalesce(logins_count, 0) as logins
from auth0.users
where not _fivetran_deleted and created_at >= {since} and created_at < {until}
  and lower(split_part(email, '@', 2)) in ('mailinator.com', 'guerrillamail.com', 'sharklasers.com', '10minutemail.com', 'yopmail.com',
    'temp-mail.org', 'tempmail.com', 'throwawaymail.com', 'trashmail.com', 'getnada.com', 'maildrop.cc', 'dispostable.com',
    'mailnesia.com', 'fakeinbox.com', 'emailondeck.com', 'mohmal.com', 'moakt.com', 'mintemail.com', 'discard.email', 'spamgourmet.com')
order by 1 desc, 2
limit {limit}",
        ..BASE
    },
];
