-- Base de l’ERP Vulcain, chargée à la mise en service.
\set ON_ERROR_STOP on
ALTER ROLE postgres PASSWORD '{{scram "bdd-admin"}}';
CREATE ROLE vulcain LOGIN PASSWORD '{{scram "bdd-vulcain"}}';
CREATE ROLE svc_tableaux LOGIN PASSWORD '{{scram "bdd-tableaux"}}';
CREATE DATABASE vulcain OWNER vulcain TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8' STRATEGY file_copy;
\connect vulcain
SET ROLE vulcain;
BEGIN;
CREATE TABLE articles (
	reference text PRIMARY KEY,
	designation text NOT NULL
);
CREATE TABLE ordres (
	numero text PRIMARY KEY,
	reference text NOT NULL REFERENCES articles,
	ilot text NOT NULL,
	quantite integer NOT NULL CHECK (quantite > 0),
	echeance date NOT NULL,
	etat text NOT NULL DEFAULT 'lancé'
);
CREATE TABLE mouvements (
	id bigserial PRIMARY KEY,
	ordre text NOT NULL REFERENCES ordres,
	quand timestamptz NOT NULL DEFAULT now(),
	quantite integer NOT NULL
);
INSERT INTO articles VALUES
	('AM-1042-C', 'Carter, usinage 5 axes'),
	('AM-1107-A', 'Bride soudée'),
	('AM-1115-B', 'Support de pompe'),
	('AM-1120-A', 'Arbre de transmission'),
	('AM-1131-D', 'Collecteur chaudronné'),
	('AM-1140-A', 'Entretoise rectifiée');
INSERT INTO ordres
SELECT 'OF-' || (24000 + n),
	(ARRAY['AM-1042-C','AM-1107-A','AM-1115-B','AM-1120-A','AM-1131-D','AM-1140-A'])[1 + n % 6],
	(ARRAY['Tournage','Fraisage','Rectification','Soudage','Pliage','Contrôle'])[1 + n % 6],
	4 + (n * 37) % 240,
	current_date + (n % 30),
	(ARRAY['lancé','en cours','en cours','terminé'])[1 + n % 4]
FROM generate_series(1, 180) AS n;
INSERT INTO mouvements (ordre, quand, quantite)
SELECT 'OF-' || (24000 + 1 + n % 180), now() - n * interval '3 hours', 1 + n % 12
FROM generate_series(1, 600) AS n;
COMMIT;
RESET ROLE;
GRANT CONNECT ON DATABASE vulcain TO svc_tableaux;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO svc_tableaux;
