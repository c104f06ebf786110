-- The stack's tables on plain PostgreSQL. Every statement may be run again.

create table if not exists market_data (
    symbol text not null,
    ts timestamptz not null,
    open double precision not null,
    high double precision not null,
    low double precision not null,
    close double precision not null,
    volume bigint not null,
    spread double precision not null,
    primary key (symbol, ts),
    check (high >= low)
);

create table if not exists trainset_m1 (
    ts timestamptz not null,
    symbol text not null,
    return_1 real not null,
    return_5 real not null,
    return_15 real not null,
    volatility_30 real not null,
    range_1 real not null,
    rsi_14 real not null,
    hour_sin real not null,
    hour_cos real not null,
    label smallint not null check (label in (0, 1)),
    primary key (symbol, ts)
);

create table if not exists predictions (
    id bigint generated always as identity primary key,
    made_at timestamptz not null default now(),
    symbol text not null,
    bar_ts timestamptz not null,
    probability real not null,
    model_hash text not null
);

create index if not exists market_data_ts on market_data using brin (ts);
create index if not exists trainset_m1_ts on trainset_m1 using brin (ts);
create index if not exists predictions_made_at on predictions (made_at);
