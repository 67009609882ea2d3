"""Why an alert fired: causes measured from the window and the calm ones before it."""
