-- An ERP that was there first, as SQLAlchemy makes one: integer ids, native enums with upper-case
-- labels, timestamps without zone, double precision money, no defaults on the server, and
-- integration tables of its own with several rows per ERP row.
CREATE SCHEMA app;
SET search_path = app;

CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('9b7c40d2e111');

CREATE TYPE returnstatus AS ENUM
    ('PENDING', 'APPROVED', 'REJECTED', 'PROCESSING', 'COMPLETED', 'CANCELLED');
CREATE TYPE returnreason AS ENUM
    ('DEFECTIVE_PRODUCT', 'WRONG_ITEM', 'DAMAGED_IN_TRANSIT', 'CUSTOMER_DISSATISFACTION',
     'LATE_DELIVERY', 'OTHER');
CREATE TYPE refundmethod AS ENUM ('ORIGINAL_PAYMENT', 'STORE_CREDIT', 'BANK_TRANSFER', 'CASH');
CREATE TYPE emagreturnstatus AS ENUM
    ('NEW', 'IN_PROGRESS', 'APPROVED', 'REJECTED', 'COMPLETED', 'CANCELLED');
CREATE TYPE cancellationstatus AS ENUM
    ('PENDING', 'APPROVED', 'REJECTED', 'PROCESSING', 'COMPLETED', 'CANCELLED');
CREATE TYPE cancellationreason AS ENUM
    ('CUSTOMER_REQUEST', 'PAYMENT_FAILED', 'INVENTORY_UNAVAILABLE', 'SHIPPING_DELAY',
     'FRAUD_SUSPECTED', 'ADMINISTRATIVE', 'OTHER');
CREATE TYPE refundstatus AS ENUM ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'PARTIAL');
CREATE TYPE invoicestatus AS ENUM
    ('DRAFT', 'ISSUED', 'SENT', 'PAID', 'OVERDUE', 'CANCELLED', 'REFUNDED');
CREATE TYPE invoicetype AS ENUM
    ('SALES_INVOICE', 'CREDIT_NOTE', 'PROFORMA_INVOICE', 'CORRECTED_INVOICE');
CREATE TYPE paymentmethod AS ENUM
    ('CASH', 'BANK_TRANSFER', 'CARD', 'ONLINE_PAYMENT', 'CHECK', 'OTHER');
CREATE TYPE taxcategory AS ENUM ('STANDARD', 'REDUCED', 'SUPER_REDUCED', 'ZERO', 'EXEMPT');

CREATE TABLE return_requests (
    id serial PRIMARY KEY,
    return_number varchar(50) NOT NULL,
    order_id integer,
    emag_order_id varchar(100),
    customer_id integer,
    customer_name varchar(255) NOT NULL,
    customer_email varchar(255),
    customer_phone varchar(20),
    status returnstatus NOT NULL,
    reason returnreason NOT NULL,
    reason_description text,
    items text,
    refund_amount double precision NOT NULL,
    refund_method refundmethod NOT NULL,
    refund_processed boolean NOT NULL,
    refund_processed_at timestamp,
    emag_return_id varchar(100),
    emag_status emagreturnstatus,
    account_type varchar(10) NOT NULL,
    approved_by integer,
    approved_at timestamp,
    processed_by integer,
    processed_at timestamp,
    internal_notes text,
    customer_notes text,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE INDEX ix_return_requests_id ON return_requests (id);
CREATE UNIQUE INDEX ix_return_requests_return_number ON return_requests (return_number);

CREATE TABLE return_items (
    id serial PRIMARY KEY,
    return_request_id integer NOT NULL REFERENCES return_requests (id),
    product_id integer,
    sku varchar(100) NOT NULL,
    product_name varchar(255) NOT NULL,
    quantity integer NOT NULL,
    unit_price double precision NOT NULL,
    total_amount double precision NOT NULL,
    condition varchar(50) NOT NULL,
    reason varchar(255),
    status returnstatus NOT NULL,
    approved_quantity integer NOT NULL,
    rejected_quantity integer NOT NULL,
    refund_amount double precision NOT NULL,
    refund_processed boolean NOT NULL,
    emag_item_id varchar(100),
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE refund_transactions (
    id serial PRIMARY KEY,
    transaction_id varchar(100) NOT NULL UNIQUE,
    return_request_id integer REFERENCES return_requests (id),
    amount double precision NOT NULL
);

CREATE TABLE cancellation_requests (
    id serial PRIMARY KEY,
    cancellation_number varchar(50) NOT NULL,
    order_id integer,
    emag_order_id varchar(100),
    customer_id integer,
    customer_name varchar(255) NOT NULL,
    customer_email varchar(255),
    status cancellationstatus NOT NULL,
    reason cancellationreason NOT NULL,
    reason_description text,
    cancellation_fee double precision NOT NULL,
    refund_amount double precision NOT NULL,
    currency varchar(3) NOT NULL,
    refund_status refundstatus NOT NULL,
    refund_processed boolean NOT NULL,
    refund_processed_at timestamp,
    stock_restored boolean NOT NULL,
    stock_restored_at timestamp,
    emag_cancellation_id varchar(100),
    account_type varchar(10) NOT NULL,
    requested_by integer,
    approved_by integer,
    approved_at timestamp,
    processed_by integer,
    processed_at timestamp,
    internal_notes text,
    customer_communication text,
    affected_items text,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX ix_cancellation_requests_number ON cancellation_requests (cancellation_number);

CREATE TABLE cancellation_items (
    id serial PRIMARY KEY,
    cancellation_request_id integer NOT NULL REFERENCES cancellation_requests (id),
    product_id integer,
    sku varchar(100) NOT NULL,
    product_name varchar(255) NOT NULL,
    quantity integer NOT NULL,
    unit_price double precision NOT NULL,
    total_amount double precision NOT NULL,
    stock_to_restore integer NOT NULL,
    stock_restored boolean NOT NULL,
    cancellation_reason varchar(255),
    refund_amount double precision NOT NULL,
    emag_item_id varchar(100),
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE invoices (
    id serial PRIMARY KEY,
    invoice_number varchar(50) NOT NULL,
    order_id integer,
    customer_id integer,
    invoice_type invoicetype NOT NULL,
    status invoicestatus NOT NULL,
    invoice_date timestamp NOT NULL,
    due_date timestamp NOT NULL,
    paid_at timestamp,
    customer_name varchar(255) NOT NULL,
    customer_email varchar(255),
    customer_address text,
    customer_tax_id varchar(50),
    company_name varchar(255) NOT NULL,
    company_address text,
    company_tax_id varchar(50) NOT NULL,
    company_registration varchar(50),
    subtotal double precision NOT NULL,
    tax_amount double precision NOT NULL,
    total_amount double precision NOT NULL,
    currency varchar(3) NOT NULL,
    payment_method paymentmethod,
    payment_reference varchar(255),
    paid_amount double precision NOT NULL,
    emag_invoice_id varchar(100),
    account_type varchar(10) NOT NULL,
    issued_by integer,
    issued_at timestamp,
    sent_by integer,
    sent_at timestamp,
    notes text,
    internal_notes text,
    pdf_url varchar(500),
    pdf_generated boolean NOT NULL,
    pdf_generated_at timestamp,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX ix_invoices_invoice_number ON invoices (invoice_number);

CREATE TABLE invoice_items (
    id serial PRIMARY KEY,
    invoice_id integer NOT NULL REFERENCES invoices (id),
    product_id integer,
    sku varchar(100) NOT NULL,
    product_name varchar(255) NOT NULL,
    description text,
    quantity double precision NOT NULL,
    unit_price double precision NOT NULL,
    discount_amount double precision NOT NULL,
    line_total double precision NOT NULL,
    tax_category taxcategory NOT NULL,
    tax_rate double precision NOT NULL,
    tax_amount double precision NOT NULL,
    emag_item_id varchar(100),
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE emag_return_integrations (
    id serial PRIMARY KEY,
    return_request_id integer NOT NULL REFERENCES return_requests (id),
    emag_return_id varchar(100) NOT NULL,
    emag_status emagreturnstatus NOT NULL,
    last_synced_at timestamp,
    sync_attempts integer NOT NULL,
    emag_response text,
    error_message text,
    account_type varchar(10) NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE INDEX ix_emag_return_integrations_emag_return_id
    ON emag_return_integrations (emag_return_id);

CREATE TABLE emag_cancellation_integrations (
    id serial PRIMARY KEY,
    cancellation_request_id integer NOT NULL REFERENCES cancellation_requests (id),
    emag_cancellation_id varchar(100) NOT NULL,
    emag_status varchar(50) NOT NULL,
    last_synced_at timestamp,
    sync_attempts integer NOT NULL,
    emag_response text,
    error_message text,
    account_type varchar(10) NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE emag_invoice_integrations (
    id serial PRIMARY KEY,
    invoice_id integer NOT NULL REFERENCES invoices (id),
    emag_invoice_id varchar(100) NOT NULL,
    emag_status varchar(50) NOT NULL,
    emag_invoice_type varchar(50) NOT NULL,
    last_synced_at timestamp,
    sync_attempts integer NOT NULL,
    emag_response text,
    error_message text,
    account_type varchar(10) NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE emag_offer_syncs (
    id serial PRIMARY KEY,
    sync_id varchar(100) NOT NULL UNIQUE,
    account_type varchar(10) NOT NULL,
    operation_type varchar(50) NOT NULL,
    status varchar(20) NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    duration_seconds double precision,
    total_offers_processed integer NOT NULL,
    offers_created integer NOT NULL,
    offers_updated integer NOT NULL,
    offers_failed integer NOT NULL,
    offers_skipped integer NOT NULL,
    error_count integer NOT NULL,
    errors jsonb NOT NULL,
    filters jsonb NOT NULL,
    initiated_by varchar(100),
    user_id integer,
    metadata jsonb NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

INSERT INTO return_requests (return_number, emag_order_id, customer_name, status, reason,
        refund_amount, refund_method, refund_processed, emag_return_id, emag_status, account_type,
        created_at, updated_at)
SELECT 'RET-' || n, (480000000 + n)::text, 'Ana Pop', 'APPROVED', 'WRONG_ITEM', 10.5,
       'ORIGINAL_PAYMENT', false, NULL, NULL, 'main', timestamp '2026-10-01' + n * interval '1 day',
       timestamp '2026-10-01' + n * interval '1 day'
  FROM generate_series(1, 4) AS n;

INSERT INTO return_items (return_request_id, product_id, sku, product_name, quantity, unit_price,
        total_amount, condition, status, approved_quantity, rejected_quantity, refund_amount,
        refund_processed, created_at, updated_at)
SELECT n, 1000 + n, 'SKU-' || n, 'Mug', 1, 10.5, 10.5, 'new', 'PENDING', 0, 0, 0, false,
       '2026-10-01', '2026-10-01'
  FROM generate_series(1, 4) AS n;

INSERT INTO refund_transactions (transaction_id, return_request_id, amount) VALUES ('T-1', 1, 10.5);

INSERT INTO cancellation_requests (cancellation_number, emag_order_id, customer_name, status, reason,
        cancellation_fee, refund_amount, currency, refund_status, refund_processed, stock_restored,
        account_type, created_at, updated_at)
SELECT 'CAN-' || n, (490000000 + n)::text, 'Ana Pop',
       (ARRAY['PENDING', 'APPROVED', 'COMPLETED', 'REJECTED'])[n]::cancellationstatus,
       'CUSTOMER_REQUEST', 0, 20, 'RON', 'PENDING', false, false, 'main',
       timestamp '2026-10-01' + n * interval '1 day', timestamp '2026-10-01' + n * interval '1 day'
  FROM generate_series(1, 4) AS n;

INSERT INTO cancellation_items (cancellation_request_id, product_id, sku, product_name, quantity,
        unit_price, total_amount, stock_to_restore, stock_restored, refund_amount, created_at,
        updated_at)
VALUES (1, 1001, 'SKU-1', 'Mug', 1, 10, 10, 0, false, 0, '2026-10-01', '2026-10-01');

INSERT INTO invoices (invoice_number, order_id, invoice_type, status, invoice_date, due_date,
        customer_name, company_name, company_tax_id, subtotal, tax_amount, total_amount, currency,
        paid_amount, account_type, pdf_generated, created_at, updated_at)
SELECT 'INV-' || n, 470000000 + n, 'SALES_INVOICE',
       (ARRAY['DRAFT', 'ISSUED', 'PAID'])[n]::invoicestatus, '2026-10-01', '2026-10-31', 'Ana Pop',
       'Shop SRL', 'RO123', 100, 19, 119, 'RON', 0, 'main', false,
       timestamp '2026-10-01' + n * interval '1 day', timestamp '2026-10-01' + n * interval '1 day'
  FROM generate_series(1, 3) AS n;

INSERT INTO invoice_items (invoice_id, sku, product_name, quantity, unit_price, discount_amount,
        line_total, tax_category, tax_rate, tax_amount, created_at, updated_at)
VALUES (1, 'SKU-1', 'Mug', 1, 100, 0, 100, 'STANDARD', 19, 19, '2026-10-01', '2026-10-01');

-- Return 1 was synced, after two failures; return 2 never got an answer.
INSERT INTO emag_return_integrations (return_request_id, emag_return_id, emag_status, last_synced_at,
        sync_attempts, error_message, account_type, created_at, updated_at)
VALUES (1, '7001', 'NEW', NULL, 1, 'timeout', 'main', '2026-10-02', '2026-10-02'),
       (1, '7001', 'NEW', NULL, 2, 'timeout', 'main', '2026-10-03', '2026-10-03'),
       (1, '7001', 'APPROVED', '2026-10-04', 3, NULL, 'main', '2026-10-04', '2026-10-04'),
       (2, '', 'NEW', NULL, 5, 'not found', 'main', '2026-10-04', '2026-10-04');

INSERT INTO emag_cancellation_integrations (cancellation_request_id, emag_cancellation_id,
        emag_status, last_synced_at, sync_attempts, account_type, created_at, updated_at)
VALUES (2, '490000002', 'canceled', '2026-10-04', 1, 'main', '2026-10-04', '2026-10-04');

INSERT INTO emag_invoice_integrations (invoice_id, emag_invoice_id, emag_status, emag_invoice_type,
        last_synced_at, sync_attempts, account_type, created_at, updated_at)
VALUES (3, '470000003/INV-3', 'sent', 'invoice', '2026-10-04', 1, 'main', '2026-10-04', '2026-10-04'),
       (3, '470000003/INV-3', 'sent', 'invoice', '2026-10-05', 1, 'main', '2026-10-05', '2026-10-05');

RESET search_path;
