/* Only its name counts. */
int nothing_of_a_driver;
