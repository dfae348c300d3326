-- +goose Up
-- Where a buffer stood, so that a copy or an older state is told from the buffer itself.
ALTER TABLE agent_epochs ADD COLUMN first_seq bigint NOT NULL DEFAULT 0; -- lowest sequence that it had not acknowledged
ALTER TABLE agent_epochs ADD COLUMN refused_at timestamptz;              -- when a copy was written into the audit log last

-- A certificate that was shown in a session: older ones of the agent no longer renew.
ALTER TABLE agent_certificates ADD COLUMN used_at timestamptz;

-- A token for an agent that is there already, and keeps its id.
ALTER TABLE enrollments ADD COLUMN for_agent text REFERENCES agents;

-- Agents are asked to send again what they keep, each once for each replay.
CREATE TABLE replays (
    id         text PRIMARY KEY,
    since      timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT '',
    ended_at   timestamptz -- agents are no longer asked
);
CREATE TABLE replay_agents (
    replay         text NOT NULL REFERENCES replays ON DELETE CASCADE,
    agent          text NOT NULL REFERENCES agents,
    answered_at    timestamptz NOT NULL DEFAULT now(),
    blocks         bigint NOT NULL,
    events         bigint NOT NULL,
    blocks_left    bigint NOT NULL, -- as its last heartbeat says
    missing_blocks bigint NOT NULL,
    missing_events bigint NOT NULL,
    missing_from   timestamptz,
    missing_until  timestamptz,
    unknown        boolean NOT NULL, -- its records do not reach back so far
    error          text NOT NULL DEFAULT '',
    PRIMARY KEY (replay, agent)
);

-- +goose Down
DROP TABLE replay_agents;
DROP TABLE replays;
ALTER TABLE enrollments DROP COLUMN for_agent;
ALTER TABLE agent_certificates DROP COLUMN used_at;
ALTER TABLE agent_epochs DROP COLUMN refused_at;
ALTER TABLE agent_epochs DROP COLUMN first_seq;
