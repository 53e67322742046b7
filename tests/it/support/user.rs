//! A user of a database with few rights.

use super::database::Database;
use super::servers::Engine;

/// Dropped with the value, before the database.
pub struct User<'a> {
    database: &'a Database,
    name: String,
    password: &'a str,
}

impl<'a> User<'a> {
    /// May read all tables that are there.
    pub fn reader(database: &'a Database, password: &'a str) -> User<'a> {
        // The database's name is unique on the server.
        let name = database.url().rsplit('/').next().unwrap().replace("test_", "reader_");
        let (create, read) = match database.engine {
            Engine::Postgres => {
                (format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"), "ALL TABLES IN SCHEMA public")
            }
            _ => (format!("CREATE USER {name} IDENTIFIED BY '{password}'"), "*"),
        };
        database.execute(&format!("{create};GRANT SELECT ON {read} TO {name}"));
        User { database, name, password }
    }

    /// May do that, too: `UPDATE ON images`.
    pub fn grant(&self, right: &str) {
        self.database.execute(&format!("GRANT {right} TO {}", self.name));
    }

    /// The database as this user reaches it.
    pub fn url(&self) -> String {
        let (dialect, rest) = self.database.url().split_once("://").unwrap();
        format!("{dialect}://{}:{}@{}", self.name, self.password, rest.split_once('@').unwrap().1)
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let user = &self.name;
        self.database.execute(&match self.database.engine {
            Engine::Postgres => format!("DROP OWNED BY {user}; DROP ROLE {user}"),
            _ => format!("DROP USER {user}"),
        });
    }
}
