// A user for the services, and the collection they count in; runs once, when the volume is empty.
db = db.getSiblingDB('travel');
db.createUser({ user: 'traveller', pwd: 'only-for-the-lab', roles: [{ role: 'readWrite', db: 'travel' }] });
db.createCollection('country_selections');
db.country_selections.createIndex({ country_code: 1 });
db.country_selections.insertMany([
  { country_code: 'KR', click_count: 0, since: new Date() },
  { country_code: 'JP', click_count: 0, since: new Date() },
]);
print('ready');
