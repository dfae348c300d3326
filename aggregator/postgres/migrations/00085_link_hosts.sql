-- +goose Up

-- How a link is opened where it has both a deep link and a store: try (the default), store or app.
ALTER TABLE links ADD COLUMN open text NOT NULL DEFAULT '' CHECK (open IN ('', 'try', 'store', 'app'));

-- The hosts under which an app's links are reached, and the apps that may open them by themselves.
ALTER TABLE apps
    ADD COLUMN link_hosts text[] NOT NULL DEFAULT '{}',
    ADD COLUMN apple_app_ids text[] NOT NULL DEFAULT '{}',
    ADD COLUMN android_apps jsonb NOT NULL DEFAULT '[]';

-- +goose Down
ALTER TABLE apps DROP COLUMN android_apps, DROP COLUMN apple_app_ids, DROP COLUMN link_hosts;
ALTER TABLE links DROP COLUMN open;
