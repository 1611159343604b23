-- Tables of the exchange rates; runs once, when the volume is empty.
CREATE TABLE IF NOT EXISTS currencies (
    currency_code VARCHAR(10) PRIMARY KEY,
    currency_name_en VARCHAR(100) NOT NULL,
    country_code VARCHAR(10) NOT NULL,
    display_order INT DEFAULT 999
);
CREATE TABLE IF NOT EXISTS exchange_rate_history (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    currency_code VARCHAR(10) NOT NULL,
    currency_name VARCHAR(100) NOT NULL,
    deal_base_rate DECIMAL(18, 4) NOT NULL,
    source VARCHAR(50) NOT NULL,
    recorded_at DATETIME NOT NULL,
    INDEX newest (currency_code, recorded_at DESC),
    FOREIGN KEY (currency_code) REFERENCES currencies (currency_code)
);
CREATE TABLE IF NOT EXISTS collection_logs (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    correlation_id VARCHAR(100) NOT NULL,
    source VARCHAR(50) NOT NULL,
    status ENUM ('SUCCESS', 'FAILED', 'PARTIAL') NOT NULL,
    currency_count INT DEFAULT 0,
    collected_at DATETIME NOT NULL
);
INSERT INTO currencies VALUES ('USD', 'US Dollar', 'US', 1), ('JPY', 'Yen', 'JP', 2), ('EUR', 'Euro', 'EU', 3), ('GBP', 'Pound Sterling', 'GB', 4),
    ('CNY', 'Yuan Renminbi', 'CN', 5), ('KRW', 'Won', 'KR', 6);
INSERT INTO exchange_rate_history (currency_code, currency_name, deal_base_rate, source, recorded_at)
VALUES ('USD', 'US Dollar', 1300.5, 'sample', NOW() - INTERVAL 1 HOUR), ('EUR', 'Euro', 1400.25, 'sample', NOW() - INTERVAL 1 HOUR);
