-- Run once, by the image, when the data folder is empty. The password stays out of argv and files.
\getenv password DB_PASSWORD
CREATE ROLE directus LOGIN PASSWORD :'password';
CREATE DATABASE directus OWNER directus;
